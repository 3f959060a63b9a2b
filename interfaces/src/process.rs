//! What a Unix process can ask of its personality: the Rv6 system calls.

use exchange::RpcResult;
use macros::{Exchangeable, interface};

use crate::files::{Attributes, DirectoryEntry, FileSystemStatus};

/// Longest path in bytes.
pub const PATH_MAX: usize = 1_024;

/// Most bytes of arguments and environment together, each string with the zero byte
/// that ends it: what `getconf ARG_MAX` says on Linux.
pub const ARG_MAX: usize = 2 << 20;

/// Descriptors a process may have open.
pub const DESCRIPTOR_MAX: usize = 256;

/// Calls of a process that may not be made twice and can be under way at once.
pub const LANE_MAX: usize = 32;

/// Error numbers, named and numbered as Linux on x86-64 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
#[expect(missing_docs, reason = "each name is POSIX's own, see errno.h")]
pub enum Errno {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    ENXIO = 6,
    E2BIG = 7,
    ENOEXEC = 8,
    EBADF = 9,
    ECHILD = 10,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EBUSY = 16,
    EEXIST = 17,
    EXDEV = 18,
    ENODEV = 19,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    ENFILE = 23,
    EMFILE = 24,
    ENOTTY = 25,
    EFBIG = 27,
    ENOSPC = 28,
    ESPIPE = 29,
    EROFS = 30,
    EMLINK = 31,
    EPIPE = 32,
    ERANGE = 34,
    ENAMETOOLONG = 36,
    ENOSYS = 38,
    ENOTEMPTY = 39,
    ELOOP = 40,
    EUCLEAN = 117,
}

/// How to open a file: bits of [`OpenFlags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct OpenFlags(pub u32);

impl OpenFlags {
    /// For reading.
    pub const READ: u32 = 1;
    /// For writing.
    pub const WRITE: u32 = 2;
    /// Make the file if there is none.
    pub const CREATE: u32 = 4;
    /// With `CREATE`: fail if there is one.
    pub const EXCLUSIVE: u32 = 8;
    /// Cut it to no bytes.
    pub const TRUNCATE: u32 = 16;
    /// Every write goes to the end.
    pub const APPEND: u32 = 32;
    /// Fail unless it is a directory.
    pub const DIRECTORY: u32 = 64;
    /// Do not follow a symbolic link at the end of the path.
    pub const NO_FOLLOW: u32 = 128;
}

/// Where an offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum Whence {
    /// The start of the file.
    Set = 0,
    /// The current offset.
    Current = 1,
    /// The end of the file.
    End = 2,
}

/// A descriptor the new process gets: `child` becomes a duplicate of `parent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct DescriptorMap {
    /// Descriptor of the starting process.
    pub parent: u32,
    /// Number it has in the new process.
    pub child: u32,
}

/// Whether a process that is started may administer the system: end domains, replace
/// them, trace, power off. The first process may; nobody inherits it unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum Authority {
    /// It observes only.
    Observe = 0,
    /// It may, as the caller may; else `EPERM`.
    HandOn = 1,
    /// It may if the caller may.
    HandOnIfAny = 2,
}

/// The two ends of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct PipeEnds {
    /// Descriptor to read from.
    pub read: u32,
    /// Descriptor to write to.
    pub write: u32,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct ExitStatus {
    /// Process that ended.
    pub pid: u32,
    /// Its exit status, 0–255, when it exited by itself.
    pub status: u32,
    /// Number of the death cause (`abi::death::DeathCause`), 0: it exited.
    pub cause: u32,
}

/// Which call this is of those of its process that may not be made twice: a number
/// below [`LANE_MAX`] that no other such call has while it is under way. Calls with
/// one number are counted and remembered by themselves, so that threads can make
/// theirs at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct Lane(pub u32);

/// The last call of a lane that came to its end, as a successor of the personality
/// knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct FinishedCall {
    /// How many there have been.
    pub number: u64,
    /// What it was answered: a number (a descriptor, bytes, a process); of `pipe`
    /// both ends; of `wait` the process with its status in the upper half, and the
    /// cause.
    pub value: [u64; 2],
    /// How far the next one has come: bytes of a `write`; 1: `open` has made the
    /// file that it was to make.
    pub progress: u64,
}

/// A process as `ps` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: u32,
    /// Number of the one that started it.
    pub parent: u32,
    /// 1 running, 2 ended and not waited for.
    pub state: u32,
    /// Descriptors it has open.
    pub descriptors: u32,
    /// Its domain.
    pub domain: u64,
    /// When it started, nanoseconds since boot.
    pub started_ns: u64,
    /// Bytes of `command` in use.
    pub command_length: u32,
    /// Start of its command line.
    pub command: [u8; 60],
}

/// How the console turns input into what programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum TerminalMode {
    /// Lines, echoed, with erase and interrupt keys.
    Canonical = 0,
    /// Every byte as typed, no echo.
    Raw = 1,
}

/// The system calls of one process.
///
/// Paths are bytes without a zero; relative ones start at the working
/// directory. Every method answers with an error number as POSIX names it for
/// the call of that name. Those that take a [`Lane`] may not be made twice.
#[interface]
pub trait Process {
    /// Its process number.
    fn pid(&self) -> RpcResult<u32>;
    /// Its parent's process number.
    fn parent_pid(&self) -> RpcResult<u32>;
    /// The last call of a lane that came to its end. Only calls that were answered
    /// without an error count, and of `read`, `write`, `read_directory`, `wait` and
    /// `take_interrupt` those that came to anything.
    fn last_call(&self, lane: Lane) -> RpcResult<FinishedCall>;

    /// Opens a file; its descriptor.
    fn open(
        &self,
        lane: Lane,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> RpcResult<Result<u32, Errno>>;
    /// Closes a descriptor.
    fn close(&self, lane: Lane, descriptor: u32) -> RpcResult<Result<(), Errno>>;
    /// Reads; how many bytes, 0 at the end. Blocks on a pipe or the console.
    fn read(&self, lane: Lane, descriptor: u32, into: &mut [u8]) -> RpcResult<Result<u64, Errno>>;
    /// Writes; how many bytes. Blocks on a full pipe.
    fn write(&self, lane: Lane, descriptor: u32, from: &[u8]) -> RpcResult<Result<u64, Errno>>;
    /// As `write`, of which the first `done` bytes have been written already.
    fn go_on_writing(
        &self,
        lane: Lane,
        descriptor: u32,
        from: &[u8],
        done: u64,
    ) -> RpcResult<Result<u64, Errno>>;
    /// Reads at an offset, leaving the descriptor's own alone.
    fn pread(&self, descriptor: u32, into: &mut [u8], offset: u64)
    -> RpcResult<Result<u64, Errno>>;
    /// Writes at an offset, leaving the descriptor's own alone.
    fn pwrite(&self, descriptor: u32, from: &[u8], offset: u64) -> RpcResult<Result<u64, Errno>>;
    /// Moves the offset; the new one.
    fn lseek(
        &self,
        lane: Lane,
        descriptor: u32,
        offset: i64,
        whence: Whence,
    ) -> RpcResult<Result<u64, Errno>>;
    /// Another descriptor for the same open file: the lowest free one.
    fn dup(&self, lane: Lane, descriptor: u32) -> RpcResult<Result<u32, Errno>>;
    /// The same with a chosen number, which is closed first.
    fn dup2(&self, lane: Lane, descriptor: u32, wanted: u32) -> RpcResult<Result<u32, Errno>>;
    /// Makes a pipe.
    fn pipe(&self, lane: Lane) -> RpcResult<Result<PipeEnds, Errno>>;
    /// Attributes of an open file.
    fn fstat(&self, descriptor: u32) -> RpcResult<Result<Attributes, Errno>>;
    /// Attributes of a file by path, following a final symbolic link.
    fn stat(&self, path: &[u8]) -> RpcResult<Result<Attributes, Errno>>;
    /// Attributes of a file by path, of a final symbolic link itself.
    fn lstat(&self, path: &[u8]) -> RpcResult<Result<Attributes, Errno>>;
    /// Sets the length of an open file.
    fn ftruncate(&self, descriptor: u32, size: u64) -> RpcResult<Result<(), Errno>>;
    /// Sets the length of a file by path.
    fn truncate(&self, path: &[u8], size: u64) -> RpcResult<Result<(), Errno>>;
    /// Makes an open file durable.
    fn fsync(&self, descriptor: u32) -> RpcResult<Result<(), Errno>>;
    /// Makes everything durable.
    fn sync(&self) -> RpcResult<Result<(), Errno>>;
    /// Fills `entries` from an open directory; how many, 0 at the end.
    fn read_directory(
        &self,
        lane: Lane,
        descriptor: u32,
        entries: &mut [DirectoryEntry],
    ) -> RpcResult<Result<u64, Errno>>;
    /// 1 if the descriptor is a terminal.
    fn isatty(&self, descriptor: u32) -> RpcResult<Result<u32, Errno>>;
    /// Sets how the terminal behind a descriptor treats input.
    fn set_terminal_mode(
        &self,
        descriptor: u32,
        mode: TerminalMode,
    ) -> RpcResult<Result<(), Errno>>;
    /// What is known of the file system a path lies on.
    fn statfs(&self, path: &[u8]) -> RpcResult<Result<FileSystemStatus, Errno>>;

    /// Makes a directory.
    fn mkdir(&self, lane: Lane, path: &[u8], mode: u32) -> RpcResult<Result<(), Errno>>;
    /// Removes an empty directory.
    fn rmdir(&self, lane: Lane, path: &[u8]) -> RpcResult<Result<(), Errno>>;
    /// Removes a name.
    fn unlink(&self, lane: Lane, path: &[u8]) -> RpcResult<Result<(), Errno>>;
    /// Gives a file another name.
    fn link(&self, lane: Lane, path: &[u8], new_path: &[u8]) -> RpcResult<Result<(), Errno>>;
    /// Makes a symbolic link.
    fn symlink(&self, lane: Lane, target: &[u8], path: &[u8]) -> RpcResult<Result<(), Errno>>;
    /// Copies a symbolic link's target; its length.
    fn readlink(&self, path: &[u8], into: &mut [u8]) -> RpcResult<Result<u64, Errno>>;
    /// Renames.
    fn rename(&self, lane: Lane, path: &[u8], new_path: &[u8]) -> RpcResult<Result<(), Errno>>;
    /// Sets permission bits.
    fn chmod(&self, path: &[u8], mode: u32) -> RpcResult<Result<(), Errno>>;
    /// Sets access and modification time, seconds since 1970 UTC.
    fn utimes(&self, path: &[u8], accessed_s: i64, modified_s: i64)
    -> RpcResult<Result<(), Errno>>;
    /// Changes the working directory.
    fn chdir(&self, lane: Lane, path: &[u8]) -> RpcResult<Result<(), Errno>>;
    /// Copies the working directory's path; its length.
    fn getcwd(&self, into: &mut [u8]) -> RpcResult<Result<u64, Errno>>;

    /// Starts a program. `arguments` and `environment` are strings, each ended
    /// by a zero byte. The new process gets the descriptors listed (none else)
    /// and the caller's working directory; its process number. `E2BIG` for more than
    /// [`ARG_MAX`] bytes, `EPERM` if authority is handed on that the caller lacks.
    fn spawn(
        &self,
        lane: Lane,
        path: &[u8],
        arguments: &[u8],
        environment: &[u8],
        descriptors: &[DescriptorMap],
        authority: Authority,
    ) -> RpcResult<Result<u32, Errno>>;
    /// Waits for a child to end: `pid`, or any if 0. Blocks unless `no_hang`
    /// is not 0; then a result with pid 0 says none has ended.
    fn wait(&self, lane: Lane, pid: u32, no_hang: u32) -> RpcResult<Result<ExitStatus, Errno>>;
    /// Ends a process: of the caller's job, or any but the first if the caller may
    /// administer the system.
    fn kill(&self, pid: u32) -> RpcResult<Result<(), Errno>>;
    /// Makes `pid` (0: none) the one that the terminal's interrupt key ends.
    fn set_foreground(&self, pid: u32) -> RpcResult<Result<(), Errno>>;
    /// 1 if the terminal's interrupt key was pressed, with nothing in the
    /// foreground to end, since this was last asked.
    fn take_interrupt(&self, lane: Lane) -> RpcResult<Result<u32, Errno>>;
    /// Fills `list`; how many processes there are.
    fn processes(&self, list: &mut [ProcessInfo]) -> RpcResult<Result<u64, Errno>>;

    /// Sleeps; may end early with `EINTR`.
    fn sleep_ns(&self, duration_ns: u64) -> RpcResult<Result<(), Errno>>;
    /// Nanoseconds since boot.
    fn monotonic_ns(&self) -> RpcResult<u64>;
    /// Nanoseconds since 1970 UTC.
    fn wall_clock_ns(&self) -> RpcResult<u64>;

    /// The supervisor: for who may administer the system, or for observers.
    fn supervisor(
        &self,
    ) -> RpcResult<Result<exchange::Proxy<dyn crate::supervisor::Supervisor>, Errno>>;
}
