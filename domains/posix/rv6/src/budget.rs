//! What processes may take of Rv6's memory, all of them together.
//!
//! A domain that takes more than its quota of memory ends, however carefully it
//! asks. So whatever processes choose the size or number of is bounded by what Rv6
//! can afford of the 64 MiB that it has when nothing else is said:
//!
//! | of what | most | who wants more |
//! |---|---|---|
//! | programs and arguments that are being started | 16 MiB | waits |
//! | pipes, of 64 KiB each | 128 | gets pipes of 4 KiB |
//! | pipes at all | 1,024 | `ENFILE` |
//! | calls that list processes or find a path, of 32 KiB each | 128 | waits |
//! | open files, with a path of 1 KiB each at worst | 2,048 | `ENFILE` |
//!
//! What is kept for a successor is as large again while a keeper is told all of it.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::errno::{Errno, Outcome};
use crate::sync::{Condvar, Mutex};

/// Bytes of programs and arguments that are being started.
const START_BYTES: usize = 16 << 20;

/// Bytes of lists that are being made, and what one may take.
const LIST_BYTES: usize = 4 << 20;
const LIST_SHARE: usize = 32 << 10;

/// Largest program: half of that, so that a large one does not keep others waiting.
/// The kernel maps 64 MiB at most (lib/image); the largest program has 1 MiB.
pub const IMAGE_MAX: u64 = 8 << 20;

/// Open files.
const FILE_MAX: usize = 2_048;

/// Pipes.
const PIPE_MAX: usize = 1_024;

/// Pipes that are as large as processes expect.
const LARGE_PIPE_MAX: usize = 128;

/// What is left of everything.
pub struct Budget {
    /// Bytes of programs and arguments.
    pub starts: Pool,
    /// Bytes of lists.
    lists: Pool,
    /// Open files.
    pub files: Arc<Count>,
    /// Pipes.
    pub pipes: Arc<Count>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            starts: Pool::new(START_BYTES),
            lists: Pool::new(LIST_BYTES),
            files: Arc::new(Count::new(FILE_MAX)),
            pipes: Arc::new(Count::new(PIPE_MAX)),
        }
    }
}

impl Budget {
    /// What a call takes that makes a list of what may be many, and waits for nobody
    /// meanwhile who wants the same.
    ///
    /// # Errors
    /// None: there are as many bytes as one takes.
    pub fn list(&self) -> Outcome<Share<'_>> {
        self.lists.take(LIST_SHARE)
    }
}

/// Bytes that are waited for.
pub struct Pool {
    most: usize,
    left: Mutex<usize>,
    returned: Condvar,
}

impl Pool {
    fn new(most: usize) -> Self {
        Self {
            most,
            left: Mutex::new(most),
            returned: Condvar::new(),
        }
    }

    /// Takes bytes, once others have given back enough. Who has some waits for no more.
    ///
    /// # Errors
    /// `ENOMEM` for more than there ever are.
    pub fn take(&self, bytes: usize) -> Outcome<Share<'_>> {
        if bytes > self.most {
            return Err(Errno::ENOMEM);
        }
        let mut left = self.left.lock();
        while *left < bytes {
            left = self.returned.wait(left);
        }
        *left -= bytes;
        Ok(Share { pool: self, bytes })
    }
}

/// Bytes of a pool, until this is dropped.
pub struct Share<'a> {
    pool: &'a Pool,
    bytes: usize,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.pool.left.lock() += self.bytes;
        self.pool.returned.notify_all();
    }
}

/// Things of one kind.
pub struct Count {
    most: usize,
    used: AtomicUsize,
}

impl Count {
    const fn new(most: usize) -> Self {
        Self {
            most,
            used: AtomicUsize::new(0),
        }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// `ENFILE` when there are too many.
    pub fn take(self: &Arc<Self>) -> Outcome<Counted> {
        let counted = self.take_another();
        match counted.is_beyond(self.most) {
            true => Err(Errno::ENFILE),
            false => Ok(counted),
        }
    }

    /// Counts one more that a predecessor had, however many there are.
    pub fn take_another(self: &Arc<Self>) -> Counted {
        let before = self.used.fetch_add(1, Ordering::Relaxed);
        Counted {
            count: Arc::clone(self),
            before,
        }
    }
}

/// One that counts, until this is dropped.
pub struct Counted {
    count: Arc<Count>,
    /// How many there were.
    before: usize,
}

impl Counted {
    const fn is_beyond(&self, most: usize) -> bool {
        self.before >= most
    }

    /// Whether a pipe can have all the room that processes expect.
    pub const fn is_large_pipe(&self) -> bool {
        !self.is_beyond(LARGE_PIPE_MAX)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.used.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::{Budget, Count, LIST_BYTES, LIST_SHARE, Pool};
    use crate::errno::Errno;

    #[test]
    fn so_many_lists_are_made_at_once_and_no_more() {
        let budget = Arc::new(Budget::default());
        let most = LIST_BYTES / LIST_SHARE;
        let mut shares: Vec<_> = (0..most).map(|_| budget.list().unwrap()).collect();
        let waits = Arc::clone(&budget);
        let next = thread::spawn(move || waits.list().is_ok());
        thread::sleep(Duration::from_millis(20));
        assert!(!next.is_finished());
        shares.pop();
        assert!(next.join().unwrap());
    }

    #[test]
    fn who_finds_too_few_bytes_waits_for_those_of_others() {
        let pool = Arc::new(Pool::new(10));
        assert_eq!(pool.take(11).err(), Some(Errno::ENOMEM));
        let first = pool.take(6).ok();
        let waits = Arc::clone(&pool);
        let second = thread::spawn(move || waits.take(5).is_ok());
        thread::sleep(Duration::from_millis(20));
        assert!(!second.is_finished());
        drop(first);
        assert!(second.join().unwrap());
        assert!(pool.take(10).is_ok());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let count = Arc::new(Count::new(2));
        let (first, second) = (count.take(), count.take());
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(count.take().err(), Some(Errno::ENFILE));
        drop(first);
        assert!(count.take().is_ok());
        let third = count.take_another();
        assert_eq!(count.take().err(), Some(Errno::ENFILE));
        drop((second, third));
        assert!(count.take().is_ok());
    }
}
