//! System calls that outlive the death of Rv6.
//!
//! A call that meets Rv6's death waits until a successor has taken the process
//! over. Most calls may simply be made again. Of the others Rv6 counts those that
//! came to their end, and so does this side: the successor, asked for its count,
//! says whether the call was made, and what it was answered.
//!
//! That one count does for a whole process wants such calls to be made one at a
//! time. Where threads of one process make them at once, and Rv6 dies just then,
//! each of those calls fails with `EIO`: whether it was made is unknown.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use exchange::{Proxy, RpcResult};
use interfaces::files::{Attributes, DirectoryEntry, FileSystemStatus};
use interfaces::process::{
    DescriptorMap, Errno, ExitStatus, FinishedCall, OpenFlags, PipeEnds, Process, ProcessInfo,
    TerminalMode, Whence,
};
use interfaces::supervisor::Supervisor;
use runtime::time::{Duration, Instant};

/// Deaths in a row that one call survives: it may be what kills Rv6.
const ATTEMPTS: u32 = 8;

/// A call that was under way for so long before a death is not what killed Rv6.
const HARMLESS: Duration = Duration::from_millis(20);

/// Longest wait for a successor.
const PATIENCE: Duration = Duration::from_secs(30);

type Answer<T> = RpcResult<Result<T, Errno>>;

/// Waits for the successor of what was called.
pub trait Successor {
    /// Whether there is one now. Called after a call that met a death.
    fn wait_for_successor(&self) -> bool;
}

impl Successor for Proxy<dyn Process> {
    fn wait_for_successor(&self) -> bool {
        let seen = Self::incarnation(self);
        // It may lead to a successor already.
        let deadline = Instant::now() + PATIENCE;
        seen.is_alive() || Self::wait_for_successor(self, seen, deadline.nanoseconds()).is_ok()
    }
}

/// Deaths that one call meets.
struct Deaths {
    in_a_row: u32,
    began: Instant,
}

impl Deaths {
    fn new() -> Self {
        Self {
            in_a_row: 0,
            began: Instant::now(),
        }
    }

    /// Waits for a successor to make the call on; false: there is none, or the call
    /// has met too many deaths.
    fn outlive(&mut self, process: &impl Successor) -> bool {
        if self.in_a_row > 0 && self.began.elapsed() >= HARMLESS {
            self.in_a_row = 0;
        }
        self.in_a_row += 1;
        let goes_on = self.in_a_row <= ATTEMPTS && process.wait_for_successor();
        self.began = Instant::now();
        goes_on
    }
}

/// The calls of this process.
#[derive(Debug)]
pub struct Calls<P> {
    process: P,
    /// Calls that may not be made twice and were answered.
    answered: AtomicU64,
    /// Such calls that are under way.
    under_way: AtomicU32,
}

impl<P: Process + Successor> Calls<P> {
    /// Calls to `process`.
    #[must_use]
    pub const fn new(process: P) -> Self {
        Self {
            process,
            answered: AtomicU64::new(0),
            under_way: AtomicU32::new(0),
        }
    }

    /// Makes a call that may be made twice.
    #[inline]
    fn repeat<T>(&self, mut call: impl FnMut(&P) -> RpcResult<T>) -> RpcResult<T> {
        let answer = call(&self.process);
        match &answer {
            Err(error) if error.is_domain_dead() => self.call_again(answer, call),
            _ => answer,
        }
    }

    #[cold]
    fn call_again<T>(
        &self,
        mut answer: RpcResult<T>,
        mut call: impl FnMut(&P) -> RpcResult<T>,
    ) -> RpcResult<T> {
        let mut deaths = Deaths::new();
        while matches!(&answer, Err(error) if error.is_domain_dead())
            && deaths.outlive(&self.process)
        {
            answer = call(&self.process);
        }
        answer
    }

    /// Makes a call that may not be made twice. `counts` says whether Rv6 counts
    /// the answer, `remembered` makes it from what Rv6 remembers; `call` gets how
    /// far the call has come before.
    #[inline]
    fn once<T>(
        &self,
        counts: impl Fn(&T) -> bool,
        remembered: impl Fn(&FinishedCall) -> T,
        mut call: impl FnMut(&P, u64) -> Answer<T>,
    ) -> Answer<T> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let mut answer = call(&self.process, 0);
        if matches!(&answer, Err(error) if error.is_domain_dead()) {
            answer = self.make_sure(answer, remembered, call);
        }
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        if let Ok(Ok(value)) = &answer
            && counts(value)
        {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    #[cold]
    fn make_sure<T>(
        &self,
        mut answer: Answer<T>,
        remembered: impl Fn(&FinishedCall) -> T,
        mut call: impl FnMut(&P, u64) -> Answer<T>,
    ) -> Answer<T> {
        let mut deaths = Deaths::new();
        while matches!(&answer, Err(error) if error.is_domain_dead())
            && deaths.outlive(&self.process)
        {
            let last = self.repeat(|process| process.last_call())?;
            let is_alone = self.under_way.load(Ordering::Relaxed) == 1;
            let answered = self.answered.load(Ordering::Relaxed);
            answer = match last.number.checked_sub(answered) {
                Some(0) if is_alone => call(&self.process, last.progress),
                Some(1) if is_alone => Ok(Ok(remembered(&last))),
                _ => Ok(Err(Errno::EIO)),
            };
        }
        answer
    }

    /// As [`Self::once`], for a call without a value.
    #[inline]
    fn do_once(&self, call: impl Fn(&P) -> Answer<()>) -> Answer<()> {
        self.once(|()| true, |_| (), |process, _| call(process))
    }

    /// As [`Self::once`], for a call whose value is a number of what was moved.
    #[inline]
    fn move_once(&self, call: impl FnMut(&P, u64) -> Answer<u64>) -> Answer<u64> {
        self.once(|count| *count > 0, |last| last.value[0], call)
    }

    /// As [`Self::once`], for a call whose value is a small number.
    #[inline]
    fn number_once(&self, call: impl FnMut(&P, u64) -> Answer<u32>) -> Answer<u32> {
        self.once(|_| true, |last| low(last.value[0]), call)
    }
}

const fn low(word: u64) -> u32 {
    (word & 0xffff_ffff) as u32
}

impl<P: Process + Successor> Process for Calls<P> {
    fn pid(&self) -> RpcResult<u32> {
        self.repeat(|process| process.pid())
    }

    fn parent_pid(&self) -> RpcResult<u32> {
        self.repeat(|process| process.parent_pid())
    }

    fn last_call(&self) -> RpcResult<FinishedCall> {
        self.repeat(|process| process.last_call())
    }

    fn open(&self, path: &[u8], flags: OpenFlags, mode: u32) -> Answer<u32> {
        self.number_once(|process, progress| {
            // Another attempt has made the file that has to be new.
            let made = if progress == 0 {
                0
            } else {
                OpenFlags::EXCLUSIVE
            };
            process.open(path, OpenFlags(flags.0 & !made), mode)
        })
    }

    fn close(&self, descriptor: u32) -> Answer<()> {
        self.do_once(|process| process.close(descriptor))
    }

    fn read(&self, descriptor: u32, into: &mut [u8]) -> Answer<u64> {
        self.move_once(|process, _| process.read(descriptor, into))
    }

    fn write(&self, descriptor: u32, from: &[u8]) -> Answer<u64> {
        self.move_once(|process, done| match done {
            0 => process.write(descriptor, from),
            done => process.go_on_writing(descriptor, from, done),
        })
    }

    fn go_on_writing(&self, descriptor: u32, from: &[u8], done: u64) -> Answer<u64> {
        self.move_once(|process, more| process.go_on_writing(descriptor, from, done.max(more)))
    }

    fn pread(&self, descriptor: u32, into: &mut [u8], offset: u64) -> Answer<u64> {
        self.repeat(|process| process.pread(descriptor, into, offset))
    }

    fn pwrite(&self, descriptor: u32, from: &[u8], offset: u64) -> Answer<u64> {
        self.repeat(|process| process.pwrite(descriptor, from, offset))
    }

    fn lseek(&self, descriptor: u32, offset: i64, whence: Whence) -> Answer<u64> {
        self.once(
            |_| true,
            |last| last.value[0],
            |process, _| process.lseek(descriptor, offset, whence),
        )
    }

    fn dup(&self, descriptor: u32) -> Answer<u32> {
        self.number_once(|process, _| process.dup(descriptor))
    }

    fn dup2(&self, descriptor: u32, wanted: u32) -> Answer<u32> {
        self.repeat(|process| process.dup2(descriptor, wanted))
    }

    fn pipe(&self) -> Answer<PipeEnds> {
        self.once(
            |_| true,
            |last| PipeEnds {
                read: low(last.value[0]),
                write: low(last.value[1]),
            },
            |process, _| process.pipe(),
        )
    }

    fn fstat(&self, descriptor: u32) -> Answer<Attributes> {
        self.repeat(|process| process.fstat(descriptor))
    }

    fn stat(&self, path: &[u8]) -> Answer<Attributes> {
        self.repeat(|process| process.stat(path))
    }

    fn lstat(&self, path: &[u8]) -> Answer<Attributes> {
        self.repeat(|process| process.lstat(path))
    }

    fn ftruncate(&self, descriptor: u32, size: u64) -> Answer<()> {
        self.repeat(|process| process.ftruncate(descriptor, size))
    }

    fn truncate(&self, path: &[u8], size: u64) -> Answer<()> {
        self.repeat(|process| process.truncate(path, size))
    }

    fn fsync(&self, descriptor: u32) -> Answer<()> {
        self.repeat(|process| process.fsync(descriptor))
    }

    fn sync(&self) -> Answer<()> {
        self.repeat(|process| process.sync())
    }

    fn read_directory(&self, descriptor: u32, entries: &mut [DirectoryEntry]) -> Answer<u64> {
        self.move_once(|process, _| process.read_directory(descriptor, entries))
    }

    fn isatty(&self, descriptor: u32) -> Answer<u32> {
        self.repeat(|process| process.isatty(descriptor))
    }

    fn set_terminal_mode(&self, descriptor: u32, mode: TerminalMode) -> Answer<()> {
        self.repeat(|process| process.set_terminal_mode(descriptor, mode))
    }

    fn statfs(&self, path: &[u8]) -> Answer<FileSystemStatus> {
        self.repeat(|process| process.statfs(path))
    }

    fn mkdir(&self, path: &[u8], mode: u32) -> Answer<()> {
        self.do_once(|process| process.mkdir(path, mode))
    }

    fn rmdir(&self, path: &[u8]) -> Answer<()> {
        self.do_once(|process| process.rmdir(path))
    }

    fn unlink(&self, path: &[u8]) -> Answer<()> {
        self.do_once(|process| process.unlink(path))
    }

    fn link(&self, path: &[u8], new_path: &[u8]) -> Answer<()> {
        self.do_once(|process| process.link(path, new_path))
    }

    fn symlink(&self, target: &[u8], path: &[u8]) -> Answer<()> {
        self.do_once(|process| process.symlink(target, path))
    }

    fn readlink(&self, path: &[u8], into: &mut [u8]) -> Answer<u64> {
        self.repeat(|process| process.readlink(path, into))
    }

    fn rename(&self, path: &[u8], new_path: &[u8]) -> Answer<()> {
        self.do_once(|process| process.rename(path, new_path))
    }

    fn chmod(&self, path: &[u8], mode: u32) -> Answer<()> {
        self.repeat(|process| process.chmod(path, mode))
    }

    fn utimes(&self, path: &[u8], accessed_s: u64, modified_s: u64) -> Answer<()> {
        self.repeat(|process| process.utimes(path, accessed_s, modified_s))
    }

    fn chdir(&self, path: &[u8]) -> Answer<()> {
        self.do_once(|process| process.chdir(path))
    }

    fn getcwd(&self, into: &mut [u8]) -> Answer<u64> {
        self.repeat(|process| process.getcwd(into))
    }

    fn spawn(
        &self,
        path: &[u8],
        arguments: &[u8],
        environment: &[u8],
        descriptors: &[DescriptorMap],
    ) -> Answer<u32> {
        self.number_once(|process, _| process.spawn(path, arguments, environment, descriptors))
    }

    fn wait(&self, pid: u32, no_hang: u32) -> Answer<ExitStatus> {
        self.once(
            |ended: &ExitStatus| ended.pid != 0,
            |last| ExitStatus {
                pid: low(last.value[0]),
                status: low(last.value[0] >> 32),
                cause: low(last.value[1]),
            },
            |process, _| process.wait(pid, no_hang),
        )
    }

    fn kill(&self, pid: u32) -> Answer<()> {
        self.repeat(|process| process.kill(pid))
    }

    fn set_foreground(&self, pid: u32) -> Answer<()> {
        self.repeat(|process| process.set_foreground(pid))
    }

    fn take_interrupt(&self) -> RpcResult<u32> {
        self.repeat(|process| process.take_interrupt())
    }

    fn processes(&self, list: &mut [ProcessInfo]) -> Answer<u64> {
        self.repeat(|process| process.processes(list))
    }

    fn sleep_ns(&self, duration_ns: u64) -> Answer<()> {
        let until_ns = Instant::now().nanoseconds().saturating_add(duration_ns);
        let mut left_ns = duration_ns;
        self.repeat(|process| {
            let answer = process.sleep_ns(left_ns);
            left_ns = until_ns.saturating_sub(Instant::now().nanoseconds());
            answer
        })
    }

    fn monotonic_ns(&self) -> RpcResult<u64> {
        self.repeat(|process| process.monotonic_ns())
    }

    fn wall_clock_ns(&self) -> RpcResult<u64> {
        self.repeat(|process| process.wall_clock_ns())
    }

    fn supervisor(&self) -> Answer<Proxy<dyn Supervisor>> {
        self.repeat(|process| process.supervisor())
    }
}
