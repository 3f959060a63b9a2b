//! Pipes: a bounded buffer with a reading and a writing end.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::budget::Counted;
use crate::errno::{Errno, Outcome};
use crate::journal::{Change, Journal};
use crate::lanes::Call;
use crate::record::{self, Kind, PipeRecord};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::wake::Wake;

/// Bytes a pipe holds, unless there are many pipes ([`crate::budget`]).
pub const CAPACITY: usize = 65_536;

/// Most bytes written as one piece, never mixed with another writer's.
pub const ATOMIC_MAX: usize = 4_096;

/// Chunks are joined up to this size, so that a byte at a time takes no more room.
const JOIN_MAX: usize = 1_024;

static NEXT_PIPE: AtomicU64 = AtomicU64::new(0);

/// A pipe. Its ends are counted by whoever opens and closes them.
pub struct Pipe {
    number: u64,
    journal: Arc<Journal>,
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
    _counted: Counted,
}

#[derive(Default)]
struct State {
    /// What was written and not read, oldest first.
    chunks: VecDeque<Chunk>,
    /// Bytes of the oldest one that have been read.
    skip: usize,
    /// Bytes to be read.
    length: usize,
    /// Number of the next chunk.
    next: u64,
    has_reader: bool,
    has_writer: bool,
}

struct Chunk {
    number: u64,
    bytes: Arc<[u8]>,
}

impl Pipe {
    /// An empty pipe with both ends open.
    #[must_use]
    pub fn new(journal: Arc<Journal>, counted: Counted) -> Self {
        let state = State {
            has_reader: true,
            has_writer: true,
            ..State::default()
        };
        Self {
            number: NEXT_PIPE.fetch_add(1, Ordering::Relaxed),
            journal,
            state: Mutex::new(state),
            changed: Condvar::new(),
            capacity: capacity(&counted),
            _counted: counted,
        }
    }

    /// A predecessor's pipe, with what is left of its chunks, in their order.
    /// `None`: they make no sense.
    #[must_use]
    pub fn revived(
        number: u64,
        journal: Arc<Journal>,
        record: &PipeRecord,
        chunks: Vec<(u64, Arc<[u8]>)>,
        ends: (bool, bool),
        counted: Counted,
    ) -> Option<Self> {
        NEXT_PIPE.fetch_max(number + 1, Ordering::Relaxed);
        let mut state = State {
            skip: usize::try_from(record.skip).ok()?,
            next: record.first,
            has_reader: ends.0,
            has_writer: ends.1,
            ..State::default()
        };
        for (number, bytes) in chunks {
            if number != state.next || bytes.is_empty() {
                return None;
            }
            state.next = record::next_chunk(number);
            state.length += bytes.len();
            state.chunks.push_back(Chunk { number, bytes });
        }
        let first = state.chunks.front().map_or(1, |chunk| chunk.bytes.len());
        if state.skip >= first || state.length > state.skip + CAPACITY {
            return None;
        }
        state.length -= state.skip;
        Some(Self {
            number,
            journal,
            state: Mutex::new(state),
            changed: Condvar::new(),
            capacity: capacity(&counted),
            _counted: counted,
        })
    }

    /// Its number, no other pipe's.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Writes down that there is this pipe, and nothing in it.
    pub fn record(&self, change: &mut Change) {
        let record = PipeRecord::default();
        change.put(record::key(Kind::Pipe, self.number), &record.encode());
    }

    /// Reads what there is, waiting for the first byte; 0 when nothing can come.
    ///
    /// # Errors
    /// `EINTR` when the process is killed while it waits.
    pub fn read(&self, call: &Call<'_>, into: &mut [u8]) -> Outcome<u64> {
        if into.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock();
        while state.length == 0 {
            if !state.has_writer {
                return Ok(0);
            }
            state = self.wait(state, call)?;
        }
        let oldest = state.chunks.front().map_or(0, |chunk| chunk.number);
        let count = state.take(into);
        call.commit([count as u64, 0], |change| {
            let first = state
                .chunks
                .front()
                .map_or(state.next, |chunk| chunk.number);
            let mut gone = oldest;
            while gone != first {
                change.forget(record::chunk_key(self.number, gone));
                gone = record::next_chunk(gone);
            }
            let record = PipeRecord {
                first,
                skip: state.skip as u64,
            };
            change.put(record::key(Kind::Pipe, self.number), &record.encode());
        });
        // Whoever is woken wants the lock.
        drop(state);
        self.changed.notify_all();
        Ok(count as u64)
    }

    /// Writes everything but the first `done` bytes, waiting for room.
    ///
    /// # Errors
    /// `EPIPE` when nobody can read it any more; `EINTR` when the process is
    /// killed while it waits; `ENOMEM`. What was written before stays written.
    pub fn write(&self, call: &Call<'_>, from: &[u8], done: usize) -> Outcome<u64> {
        let mut state = self.state.lock();
        let mut written = done;
        loop {
            if !state.has_reader {
                return Err(Errno::EPIPE);
            }
            let rest = from.get(written..).unwrap_or(&[]);
            if rest.is_empty() {
                return Ok(from.len() as u64);
            }
            // A predecessor's may have more than it would get now.
            let room = self.capacity.saturating_sub(state.length);
            let needed = if from.len() <= ATOMIC_MAX {
                rest.len()
            } else {
                1
            };
            if room < needed {
                state = self.wait(state, call)?;
                continue;
            }
            let count = rest.len().min(room);
            state.add(&rest[..count])?;
            written += count;
            let keep = |change: &mut Change| {
                if let Some(last) = state.chunks.back() {
                    change.share(record::chunk_key(self.number, last.number), &last.bytes);
                }
            };
            if written == from.len() {
                call.commit([written as u64, 0], keep);
            } else {
                call.commit_progress(written as u64, keep);
            }
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
        self.state.lock().length
    }

    /// Closes the reading end.
    pub fn close_reader(&self) {
        let mut state = self.state.lock();
        state.has_reader = false;
        for chunk in core::mem::take(&mut state.chunks) {
            self.journal
                .forget(record::chunk_key(self.number, chunk.number));
        }
        state.length = 0;
        state.skip = 0;
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
        call: &Call<'_>,
    ) -> Outcome<MutexGuard<'a, State>> {
        if call.blocked().is_killed() {
            return Err(Errno::EINTR);
        }
        Ok(self.changed.wait(state))
    }
}

/// Bytes that a pipe of so many may hold.
const fn capacity(counted: &Counted) -> usize {
    match counted.is_large_pipe() {
        true => CAPACITY,
        false => ATOMIC_MAX,
    }
}

impl State {
    /// Takes as many bytes as there are and fit; how many.
    fn take(&mut self, into: &mut [u8]) -> usize {
        let mut count = 0;
        while let Some(chunk) = self.chunks.front() {
            let rest = &chunk.bytes[self.skip..];
            let room = &mut into[count..];
            let part = rest.len().min(room.len());
            room[..part].copy_from_slice(&rest[..part]);
            count += part;
            if part < rest.len() {
                self.skip += part;
                break;
            }
            self.skip = 0;
            self.chunks.pop_front();
        }
        self.length -= count;
        count
    }

    /// Adds bytes as a chunk, or to the last one.
    fn add(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.chunks.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.length += bytes.len();
        if let Some(last) = self.chunks.back_mut()
            && last.bytes.len() + bytes.len() <= JOIN_MAX
        {
            last.bytes = [&last.bytes, bytes].concat().into();
            return Ok(());
        }
        let number = self.next;
        self.next = record::next_chunk(number);
        self.chunks.push_back(Chunk {
            number,
            bytes: bytes.into(),
        });
        Ok(())
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

impl Drop for Pipe {
    fn drop(&mut self) {
        self.journal.forget(record::key(Kind::Pipe, self.number));
    }
}
