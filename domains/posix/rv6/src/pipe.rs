//! Pipes: a bounded buffer with a reading and a writing end.

use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::errno::{Errno, Outcome};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::wake::Wake;

/// Bytes a pipe holds.
pub const CAPACITY: usize = 65_536;

/// Most bytes written as one piece, never mixed with another writer's.
pub const ATOMIC_MAX: usize = 4_096;

/// A pipe. Its ends are counted by whoever opens and closes them.
pub struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    bytes: VecDeque<u8>,
    has_reader: bool,
    has_writer: bool,
}

impl Pipe {
    /// An empty pipe with both ends open.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            bytes: VecDeque::new(),
            has_reader: true,
            has_writer: true,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Reads what there is, waiting for the first byte; 0 when nothing can come.
    ///
    /// # Errors
    /// `EINTR` when `is_killed` is set while it waits.
    pub fn read(&self, into: &mut [u8], is_killed: &AtomicBool) -> Outcome<u64> {
        if into.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock();
        while state.bytes.is_empty() {
            if !state.has_writer {
                return Ok(0);
            }
            state = self.wait(state, is_killed)?;
        }
        let count = into.len().min(state.bytes.len());
        let (front, back) = state.bytes.as_slices();
        let from_front = count.min(front.len());
        into[..from_front].copy_from_slice(&front[..from_front]);
        into[from_front..count].copy_from_slice(&back[..count - from_front]);
        state.bytes.drain(..count);
        // Whoever is woken wants the lock.
        drop(state);
        self.changed.notify_all();
        Ok(count as u64)
    }

    /// Writes everything, waiting for room.
    ///
    /// # Errors
    /// `EPIPE` when nobody can read it any more; `EINTR` when `is_killed` is
    /// set while it waits; `ENOMEM`. What was written before stays written.
    pub fn write(&self, from: &[u8], is_killed: &AtomicBool) -> Outcome<u64> {
        let mut state = self.state.lock();
        let mut written = 0;
        loop {
            if !state.has_reader {
                return Err(Errno::EPIPE);
            }
            let rest = &from[written..];
            if rest.is_empty() {
                return Ok(written as u64);
            }
            let room = CAPACITY - state.bytes.len();
            let needed = if from.len() <= ATOMIC_MAX {
                rest.len()
            } else {
                1
            };
            if room < needed {
                state = self.wait(state, is_killed)?;
                continue;
            }
            let count = rest.len().min(room);
            state.bytes.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
            state.bytes.extend(&rest[..count]);
            written += count;
            drop(state);
            self.changed.notify_all();
            if written == from.len() {
                return Ok(written as u64);
            }
            state = self.state.lock();
        }
    }

    /// Bytes in the pipe.
    #[must_use]
    pub fn length(&self) -> usize {
        self.state.lock().bytes.len()
    }

    /// Closes the reading end.
    pub fn close_reader(&self) {
        let mut state = self.state.lock();
        state.has_reader = false;
        state.bytes = VecDeque::new();
        self.changed.notify_all();
    }

    /// Closes the writing end.
    pub fn close_writer(&self) {
        self.state.lock().has_writer = false;
        self.changed.notify_all();
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        is_killed: &AtomicBool,
    ) -> Outcome<MutexGuard<'a, State>> {
        if is_killed.load(Ordering::SeqCst) {
            return Err(Errno::EINTR);
        }
        Ok(self.changed.wait(state))
    }
}

impl Default for Pipe {
    fn default() -> Self {
        Self::new()
    }
}

impl Wake for Pipe {
    fn wake_all(&self) {
        // Taking the lock means no waiter stands between its look at the flag
        // and its sleep.
        drop(self.state.lock());
        self.changed.notify_all();
    }
}
