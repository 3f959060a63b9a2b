//! Console input: a pthread reads standard input into a ring.
//!
//! The reader is no CPU: it blocks every signal, uses no memory but the ring
//! and tells CPU 0 when there is something to read.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use crate::cpu;
use crate::signal;
use crate::system_call::{Errno, descriptor_argument, system_call};

const STANDARD_INPUT: i32 = 0;
/// Bytes in the ring, a power of two.
const CAPACITY: usize = 1 << 14;
/// Bytes the reader takes at once.
const CHUNK: usize = 1024;

static INPUT: Input = Input {
    bytes: [const { AtomicU8::new(0) }; CAPACITY],
    written: AtomicU32::new(0),
    read: AtomicU32::new(0),
    has_ended: AtomicBool::new(false),
};

/// Ring of one writer and any number of readers. Both counters run on and wrap.
struct Input {
    bytes: [AtomicU8; CAPACITY],
    written: AtomicU32,
    read: AtomicU32,
    has_ended: AtomicBool,
}

/// Starts the reader. CPU 0 must be there.
pub fn start() -> Result<(), Errno> {
    let mut thread: libc::pthread_t = 0;
    // SAFETY: the reader takes no argument. It inherits this pthread's mask,
    // in which everything a CPU is sent is blocked.
    let error = unsafe {
        libc::pthread_create(
            &raw mut thread,
            core::ptr::null(),
            reader,
            core::ptr::null_mut(),
        )
    };
    if error != 0 {
        return Err(Errno(error));
    }
    Ok(())
}

/// Takes pending input; how many bytes. `None`: it has ended.
pub fn read(buffer: &mut [u8]) -> Option<usize> {
    let has_ended = INPUT.has_ended.load(Ordering::Acquire);
    let taken = INPUT.take(buffer);
    if taken == 0 && has_ended && !buffer.is_empty() {
        return None;
    }
    Some(taken)
}

extern "C" fn reader(_: *mut core::ffi::c_void) -> *mut core::ffi::c_void {
    let mut chunk = [0_u8; CHUNK];
    loop {
        INPUT.wait_for_room();
        let arguments = [
            descriptor_argument(STANDARD_INPUT),
            chunk.as_mut_ptr() as usize,
            INPUT.room().min(CHUNK),
            0,
            0,
            0,
        ];
        // SAFETY: Linux writes within the chunk.
        match unsafe { system_call(libc::SYS_read, arguments) } {
            Ok(0) => break,
            Ok(count) => INPUT.put(chunk.get(..count).unwrap_or_default()),
            Err(Errno::INTERRUPTED) => continue,
            Err(Errno::AGAIN) => wait_readable(),
            Err(_) => break,
        }
        cpu::send(0, signal::CONSOLE);
    }
    INPUT.has_ended.store(true, Ordering::Release);
    cpu::send(0, signal::CONSOLE);
    core::ptr::null_mut()
}

/// Waits for input on a descriptor that somebody set non-blocking.
fn wait_readable() {
    let mut poll = libc::pollfd {
        fd: STANDARD_INPUT,
        events: libc::POLLIN,
        revents: 0,
    };
    let arguments = [&raw mut poll as usize, 1, usize::MAX, 0, 0, 0];
    // SAFETY: `poll` is one entry, which the kernel may write.
    let _ = unsafe { system_call(libc::SYS_poll, arguments) };
}

impl Input {
    /// Bytes that fit in.
    fn room(&self) -> usize {
        let read = self.read.load(Ordering::Acquire);
        let used = self.written.load(Ordering::Relaxed).wrapping_sub(read);
        CAPACITY - used as usize
    }

    /// Adds bytes, no more than there is room for.
    fn put(&self, bytes: &[u8]) {
        let mut at = self.written.load(Ordering::Relaxed);
        for byte in bytes {
            self.bytes[at as usize % CAPACITY].store(*byte, Ordering::Relaxed);
            at = at.wrapping_add(1);
        }
        self.written.store(at, Ordering::Release);
    }

    /// Takes bytes; how many. A reader that was overtaken tries again: what it
    /// copied may have been overwritten.
    fn take(&self, buffer: &mut [u8]) -> usize {
        loop {
            let start = self.read.load(Ordering::Acquire);
            let pending = self.written.load(Ordering::Acquire).wrapping_sub(start) as usize;
            let count = pending.min(buffer.len()).min(CAPACITY);
            if count == 0 {
                return 0;
            }
            let mut at = start;
            for byte in &mut buffer[..count] {
                *byte = self.bytes[at as usize % CAPACITY].load(Ordering::Relaxed);
                at = at.wrapping_add(1);
            }
            let taken = self
                .read
                .compare_exchange(start, at, Ordering::AcqRel, Ordering::Relaxed);
            if taken.is_ok() {
                if pending == CAPACITY {
                    self.futex(libc::FUTEX_WAKE, 1);
                }
                return count;
            }
        }
    }

    /// Blocks the reading pthread while the ring is full.
    fn wait_for_room(&self) {
        loop {
            let read = self.read.load(Ordering::Acquire);
            if self.written.load(Ordering::Relaxed).wrapping_sub(read) as usize != CAPACITY {
                return;
            }
            self.futex(libc::FUTEX_WAIT, read);
        }
    }

    /// Waits while `read` has this value, or wakes that many who do.
    fn futex(&self, operation: i32, value: u32) {
        let arguments = [
            self.read.as_ptr() as usize,
            (operation | libc::FUTEX_PRIVATE_FLAG) as usize,
            value as usize,
            0,
            0,
            0,
        ];
        // SAFETY: the word is part of a static.
        let _ = unsafe { system_call(libc::SYS_futex, arguments) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_gives_back_what_was_put_in() {
        let input = Input {
            bytes: [const { AtomicU8::new(0) }; CAPACITY],
            written: AtomicU32::new(u32::MAX - 5),
            read: AtomicU32::new(u32::MAX - 5),
            has_ended: AtomicBool::new(false),
        };
        let mut buffer = [0; 7];
        assert_eq!(input.take(&mut buffer), 0);
        input.put(b"redleaf console");
        assert_eq!((input.take(&mut buffer), &buffer), (7, b"redleaf"));
        assert_eq!((input.take(&mut buffer), &buffer), (7, b" consol"));
        assert_eq!(input.room(), CAPACITY - 1);
        assert_eq!((input.take(&mut buffer), buffer[0]), (1, b'e'));
        let full = [9; CAPACITY];
        input.put(&full);
        assert_eq!(input.room(), 0);
        assert_eq!(input.take(&mut buffer), 7);
        assert_eq!(input.room(), 7);
    }
}
