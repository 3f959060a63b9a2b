//! System calls that outlive the death of Rv6.
//!
//! A call that meets Rv6's death waits until a successor has taken the process
//! over. Most calls may simply be made again. Of the others Rv6 counts those that
//! came to their end, and so does this side: the successor, asked for its count,
//! says whether the call was made, and what it was answered.
//!
//! Threads make such calls at the same time: each call has a lane of its own while
//! it is under way ([`crate::lanes`]), and both sides count for each lane.

use exchange::{Proxy, RpcResult};
use interfaces::files::{Attributes, DirectoryEntry, FileSystemStatus};
use interfaces::process::{
    Authority, DescriptorMap, Errno, ExitStatus, FinishedCall, Lane, OpenFlags, PipeEnds, Process,
    ProcessInfo, TerminalMode, Whence,
};
use interfaces::supervisor::Supervisor;
use runtime::time::{Duration, Instant};

use crate::lanes::{Lanes, Taken};

/// Deaths that one call survives: at the second one it is what kills Rv6, as far as can
/// be told, and not made a third time.
const ATTEMPTS: u32 = 1;

/// Deaths in a row that a call survives which may wait for others to do something: it
/// is there whatever Rv6 dies of. They are fewer than the supervisor gives Rv6 up after.
const ATTEMPTS_WAITING: u32 = 8;

/// One of those that was under way for so long before a death did wait.
const HARMLESS: Duration = Duration::from_millis(20);

/// Deaths that such a call survives at all. The supervisor gives Rv6 up sooner than that, unless
/// it dies now and then only.
const ATTEMPTS_AT_ALL: u32 = 1_000;

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

/// Whether a call waits for others to do something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prompt,
    Waiting,
}

/// Deaths that one call meets.
struct Deaths {
    kind: Kind,
    /// Of those in a row, how many it may meet.
    most: u32,
    in_a_row: u32,
    at_all: u32,
    began: Instant,
}

impl Deaths {
    fn new(kind: Kind, attempts: u32) -> Self {
        let most = match kind {
            Kind::Prompt => attempts,
            Kind::Waiting => attempts.max(ATTEMPTS_WAITING),
        };
        Self {
            kind,
            most,
            in_a_row: 0,
            at_all: 0,
            began: Instant::now(),
        }
    }

    /// Waits for a successor to make the call on; false: there is none, or the call
    /// has met too many deaths.
    fn outlive(&mut self, process: &impl Successor) -> bool {
        let has_waited = self.in_a_row > 0 && self.began.elapsed() >= HARMLESS;
        if self.kind == Kind::Waiting && has_waited {
            self.in_a_row = 0;
        }
        self.in_a_row += 1;
        self.at_all += 1;
        let is_blamed = self.in_a_row > self.most || self.at_all > ATTEMPTS_AT_ALL;
        let goes_on = !is_blamed && process.wait_for_successor();
        self.began = Instant::now();
        goes_on
    }
}

/// The calls of this process: those of [`Process`].
#[derive(Debug)]
pub struct Calls<P> {
    process: P,
    lanes: Lanes,
    /// Deaths in a row that a prompt call may meet.
    attempts: u32,
}

impl<P: Process + Successor> Calls<P> {
    /// Calls to `process`.
    #[must_use]
    pub const fn new(process: P) -> Self {
        Self::with_attempts(process, ATTEMPTS)
    }

    /// Calls that may meet so many deaths in a row before they are blamed for them: for
    /// who knows that others cause them.
    #[must_use]
    pub const fn with_attempts(process: P, attempts: u32) -> Self {
        Self {
            process,
            lanes: Lanes::new(),
            attempts,
        }
    }

    /// Makes a call that may be made twice.
    #[inline]
    fn repeat<T>(&self, call: impl FnMut(&P) -> RpcResult<T>) -> RpcResult<T> {
        self.repeat_as(Kind::Prompt, call)
    }

    #[inline]
    fn repeat_as<T>(&self, kind: Kind, mut call: impl FnMut(&P) -> RpcResult<T>) -> RpcResult<T> {
        let answer = call(&self.process);
        match &answer {
            Err(error) if error.is_domain_dead() => self.call_again(kind, answer, call),
            _ => answer,
        }
    }

    #[cold]
    fn call_again<T>(
        &self,
        kind: Kind,
        mut answer: RpcResult<T>,
        mut call: impl FnMut(&P) -> RpcResult<T>,
    ) -> RpcResult<T> {
        let mut deaths = Deaths::new(kind, self.attempts);
        while matches!(&answer, Err(error) if error.is_domain_dead())
            && deaths.outlive(&self.process)
        {
            answer = call(&self.process);
        }
        answer
    }

    /// Makes a call that may not be made twice. `counts` says whether Rv6 counts
    /// the answer, `remembered` makes it from what Rv6 remembers; `call` gets its
    /// lane and how far the call has come before.
    #[inline]
    fn once<T>(
        &self,
        kind: Kind,
        counts: impl Fn(&T) -> bool,
        remembered: impl Fn(&FinishedCall) -> T,
        mut call: impl FnMut(&P, Lane, u64) -> Answer<T>,
    ) -> Answer<T> {
        let taken = self.lanes.take();
        let mut answer = call(&self.process, taken.lane(), 0);
        if matches!(&answer, Err(error) if error.is_domain_dead()) {
            answer = self.make_sure(kind, &taken, answer, remembered, call);
        }
        if let Ok(Ok(value)) = &answer
            && counts(value)
        {
            taken.count();
        }
        answer
    }

    #[cold]
    fn make_sure<T>(
        &self,
        kind: Kind,
        taken: &Taken<'_>,
        mut answer: Answer<T>,
        remembered: impl Fn(&FinishedCall) -> T,
        mut call: impl FnMut(&P, Lane, u64) -> Answer<T>,
    ) -> Answer<T> {
        let lane = taken.lane();
        let mut deaths = Deaths::new(kind, self.attempts);
        while matches!(&answer, Err(error) if error.is_domain_dead())
            && deaths.outlive(&self.process)
        {
            let last = self.repeat(|process| process.last_call(lane))?;
            answer = match last.number.checked_sub(taken.answered()) {
                Some(0) => call(&self.process, lane, last.progress),
                Some(1) => Ok(Ok(remembered(&last))),
                // The two sides contradict each other.
                _ => Ok(Err(Errno::EIO)),
            };
        }
        answer
    }

    /// As [`Self::once`], for a call without a value.
    #[inline]
    fn do_once(&self, call: impl Fn(&P, Lane) -> Answer<()>) -> Answer<()> {
        self.once(
            Kind::Prompt,
            |()| true,
            |_| (),
            |process, lane, _| call(process, lane),
        )
    }

    /// As [`Self::once`], for a call whose value is a number of what was moved.
    #[inline]
    fn move_once(&self, kind: Kind, call: impl FnMut(&P, Lane, u64) -> Answer<u64>) -> Answer<u64> {
        self.once(kind, |count| *count > 0, |last| last.value[0], call)
    }

    /// As [`Self::once`], for a call whose value is a small number.
    #[inline]
    fn number_once(&self, call: impl FnMut(&P, Lane, u64) -> Answer<u32>) -> Answer<u32> {
        self.once(Kind::Prompt, |_| true, |last| low(last.value[0]), call)
    }
}

const fn low(word: u64) -> u32 {
    (word & 0xffff_ffff) as u32
}

/// The system calls. Each fails as Rv6 says, or as its death if there is no successor.
impl<P: Process + Successor> Calls<P> {
    /// [`Process::pid`].
    pub fn pid(&self) -> RpcResult<u32> {
        self.repeat(|process| process.pid())
    }

    /// [`Process::parent_pid`].
    pub fn parent_pid(&self) -> RpcResult<u32> {
        self.repeat(|process| process.parent_pid())
    }

    /// [`Process::open`].
    pub fn open(&self, path: &[u8], flags: OpenFlags, mode: u32) -> Answer<u32> {
        self.number_once(|process, lane, progress| {
            // Another attempt has made the file that has to be new.
            let made = if progress == 0 {
                0
            } else {
                OpenFlags::EXCLUSIVE
            };
            process.open(lane, path, OpenFlags(flags.0 & !made), mode)
        })
    }

    /// [`Process::close`].
    pub fn close(&self, descriptor: u32) -> Answer<()> {
        self.do_once(|process, lane| process.close(lane, descriptor))
    }

    /// [`Process::read`].
    pub fn read(&self, descriptor: u32, into: &mut [u8]) -> Answer<u64> {
        self.move_once(Kind::Waiting, |process, lane, _| {
            process.read(lane, descriptor, into)
        })
    }

    /// [`Process::write`].
    pub fn write(&self, descriptor: u32, from: &[u8]) -> Answer<u64> {
        self.move_once(Kind::Waiting, |process, lane, done| match done {
            0 => process.write(lane, descriptor, from),
            done => process.go_on_writing(lane, descriptor, from, done),
        })
    }

    /// [`Process::pread`].
    pub fn pread(&self, descriptor: u32, into: &mut [u8], offset: u64) -> Answer<u64> {
        self.repeat(|process| process.pread(descriptor, into, offset))
    }

    /// [`Process::pwrite`].
    pub fn pwrite(&self, descriptor: u32, from: &[u8], offset: u64) -> Answer<u64> {
        self.repeat(|process| process.pwrite(descriptor, from, offset))
    }

    /// [`Process::lseek`].
    pub fn lseek(&self, descriptor: u32, offset: i64, whence: Whence) -> Answer<u64> {
        self.once(
            Kind::Prompt,
            |_| true,
            |last| last.value[0],
            |process, lane, _| process.lseek(lane, descriptor, offset, whence),
        )
    }

    /// [`Process::dup`].
    pub fn dup(&self, descriptor: u32) -> Answer<u32> {
        self.number_once(|process, lane, _| process.dup(lane, descriptor))
    }

    /// [`Process::dup2`].
    pub fn dup2(&self, descriptor: u32, wanted: u32) -> Answer<u32> {
        self.number_once(|process, lane, _| process.dup2(lane, descriptor, wanted))
    }

    /// [`Process::pipe`].
    pub fn pipe(&self) -> Answer<PipeEnds> {
        self.once(
            Kind::Prompt,
            |_| true,
            |last| PipeEnds {
                read: low(last.value[0]),
                write: low(last.value[1]),
            },
            |process, lane, _| process.pipe(lane),
        )
    }

    /// [`Process::fstat`].
    pub fn fstat(&self, descriptor: u32) -> Answer<Attributes> {
        self.repeat(|process| process.fstat(descriptor))
    }

    /// [`Process::stat`].
    pub fn stat(&self, path: &[u8]) -> Answer<Attributes> {
        self.repeat(|process| process.stat(path))
    }

    /// [`Process::lstat`].
    pub fn lstat(&self, path: &[u8]) -> Answer<Attributes> {
        self.repeat(|process| process.lstat(path))
    }

    /// [`Process::ftruncate`].
    pub fn ftruncate(&self, descriptor: u32, size: u64) -> Answer<()> {
        self.repeat(|process| process.ftruncate(descriptor, size))
    }

    /// [`Process::truncate`].
    pub fn truncate(&self, path: &[u8], size: u64) -> Answer<()> {
        self.repeat(|process| process.truncate(path, size))
    }

    /// [`Process::fsync`].
    pub fn fsync(&self, descriptor: u32) -> Answer<()> {
        self.repeat(|process| process.fsync(descriptor))
    }

    /// [`Process::sync`].
    pub fn sync(&self) -> Answer<()> {
        self.repeat(|process| process.sync())
    }

    /// [`Process::read_directory`].
    pub fn read_directory(&self, descriptor: u32, entries: &mut [DirectoryEntry]) -> Answer<u64> {
        self.move_once(Kind::Prompt, |process, lane, _| {
            process.read_directory(lane, descriptor, entries)
        })
    }

    /// [`Process::isatty`].
    pub fn isatty(&self, descriptor: u32) -> Answer<u32> {
        self.repeat(|process| process.isatty(descriptor))
    }

    /// [`Process::set_terminal_mode`].
    pub fn set_terminal_mode(&self, descriptor: u32, mode: TerminalMode) -> Answer<()> {
        self.repeat(|process| process.set_terminal_mode(descriptor, mode))
    }

    /// [`Process::statfs`].
    pub fn statfs(&self, path: &[u8]) -> Answer<FileSystemStatus> {
        self.repeat(|process| process.statfs(path))
    }

    /// [`Process::mkdir`].
    pub fn mkdir(&self, path: &[u8], mode: u32) -> Answer<()> {
        self.do_once(|process, lane| process.mkdir(lane, path, mode))
    }

    /// [`Process::rmdir`].
    pub fn rmdir(&self, path: &[u8]) -> Answer<()> {
        self.do_once(|process, lane| process.rmdir(lane, path))
    }

    /// [`Process::unlink`].
    pub fn unlink(&self, path: &[u8]) -> Answer<()> {
        self.do_once(|process, lane| process.unlink(lane, path))
    }

    /// [`Process::link`].
    pub fn link(&self, path: &[u8], new_path: &[u8]) -> Answer<()> {
        self.do_once(|process, lane| process.link(lane, path, new_path))
    }

    /// [`Process::symlink`].
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Answer<()> {
        self.do_once(|process, lane| process.symlink(lane, target, path))
    }

    /// [`Process::readlink`].
    pub fn readlink(&self, path: &[u8], into: &mut [u8]) -> Answer<u64> {
        self.repeat(|process| process.readlink(path, into))
    }

    /// [`Process::rename`].
    pub fn rename(&self, path: &[u8], new_path: &[u8]) -> Answer<()> {
        self.do_once(|process, lane| process.rename(lane, path, new_path))
    }

    /// [`Process::chmod`].
    pub fn chmod(&self, path: &[u8], mode: u32) -> Answer<()> {
        self.repeat(|process| process.chmod(path, mode))
    }

    /// [`Process::utimes`].
    pub fn utimes(&self, path: &[u8], accessed_s: i64, modified_s: i64) -> Answer<()> {
        self.repeat(|process| process.utimes(path, accessed_s, modified_s))
    }

    /// [`Process::chdir`].
    pub fn chdir(&self, path: &[u8]) -> Answer<()> {
        self.do_once(|process, lane| process.chdir(lane, path))
    }

    /// [`Process::getcwd`].
    pub fn getcwd(&self, into: &mut [u8]) -> Answer<u64> {
        self.repeat(|process| process.getcwd(into))
    }

    /// [`Process::spawn`].
    pub fn spawn(
        &self,
        path: &[u8],
        arguments: &[u8],
        environment: &[u8],
        descriptors: &[DescriptorMap],
        authority: Authority,
    ) -> Answer<u32> {
        self.number_once(|process, lane, _| {
            process.spawn(lane, path, arguments, environment, descriptors, authority)
        })
    }

    /// [`Process::wait`].
    pub fn wait(&self, pid: u32, no_hang: u32) -> Answer<ExitStatus> {
        self.once(
            Kind::Waiting,
            |ended: &ExitStatus| ended.pid != 0,
            |last| ExitStatus {
                pid: low(last.value[0]),
                status: low(last.value[0] >> 32),
                cause: low(last.value[1]),
            },
            |process, lane, _| process.wait(lane, pid, no_hang),
        )
    }

    /// [`Process::kill`].
    pub fn kill(&self, pid: u32) -> Answer<()> {
        self.repeat(|process| process.kill(pid))
    }

    /// [`Process::set_foreground`].
    pub fn set_foreground(&self, pid: u32) -> Answer<()> {
        self.repeat(|process| process.set_foreground(pid))
    }

    /// [`Process::take_interrupt`].
    pub fn take_interrupt(&self) -> Answer<u32> {
        self.once(
            Kind::Prompt,
            |was_pressed| *was_pressed != 0,
            |last| low(last.value[0]),
            |process, lane, _| process.take_interrupt(lane),
        )
    }

    /// [`Process::processes`].
    pub fn processes(&self, list: &mut [ProcessInfo]) -> Answer<u64> {
        self.repeat(|process| process.processes(list))
    }

    /// [`Process::sleep_ns`].
    pub fn sleep_ns(&self, duration_ns: u64) -> Answer<()> {
        let until_ns = Instant::now().nanoseconds().saturating_add(duration_ns);
        let mut left_ns = duration_ns;
        self.repeat_as(Kind::Waiting, |process| {
            let answer = process.sleep_ns(left_ns);
            left_ns = until_ns.saturating_sub(Instant::now().nanoseconds());
            answer
        })
    }

    /// [`Process::monotonic_ns`].
    pub fn monotonic_ns(&self) -> RpcResult<u64> {
        self.repeat(|process| process.monotonic_ns())
    }

    /// [`Process::wall_clock_ns`].
    pub fn wall_clock_ns(&self) -> RpcResult<u64> {
        self.repeat(|process| process.wall_clock_ns())
    }

    /// [`Process::supervisor`].
    pub fn supervisor(&self) -> Answer<Proxy<dyn Supervisor>> {
        self.repeat(|process| process.supervisor())
    }
}
