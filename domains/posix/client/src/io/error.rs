//! Errors with the texts of POSIX.

use core::fmt;

use interfaces::process::Errno;

/// What reading and writing come to.
pub type Result<T> = core::result::Result<T, Error>;

/// Failure of a system call, or of what is built on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    errno: Option<Errno>,
}

/// Kinds of failure, as far as programs tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No such file, directory, process.
    NotFound,
    /// Not allowed.
    PermissionDenied,
    /// The name is taken.
    AlreadyExists,
    /// An argument makes no sense.
    InvalidInput,
    /// The data is not what it should be.
    InvalidData,
    /// Nobody reads the pipe.
    BrokenPipe,
    /// A directory, where none may be.
    IsADirectory,
    /// Not a directory.
    NotADirectory,
    /// The directory has entries.
    DirectoryNotEmpty,
    /// The input ended too early.
    UnexpectedEof,
    /// Nothing could be written.
    WriteZero,
    /// No memory.
    OutOfMemory,
    /// Something else; see [`Error::errno`].
    Other,
}

impl Error {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error number, if a system call failed.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        self.errno
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        let kind = match errno {
            Errno::ENOENT | Errno::ESRCH => ErrorKind::NotFound,
            Errno::EPERM | Errno::EACCES | Errno::EROFS => ErrorKind::PermissionDenied,
            Errno::EEXIST => ErrorKind::AlreadyExists,
            Errno::EINVAL => ErrorKind::InvalidInput,
            Errno::EPIPE => ErrorKind::BrokenPipe,
            Errno::EISDIR => ErrorKind::IsADirectory,
            Errno::ENOTDIR => ErrorKind::NotADirectory,
            Errno::ENOTEMPTY => ErrorKind::DirectoryNotEmpty,
            Errno::ENOMEM => ErrorKind::OutOfMemory,
            _ => ErrorKind::Other,
        };
        Self {
            kind,
            errno: Some(errno),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, errno: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.errno, self.kind) {
            (Some(errno), _) => text(errno),
            (None, ErrorKind::UnexpectedEof) => "Unexpected end of file",
            (None, ErrorKind::WriteZero) => "Nothing could be written",
            (None, ErrorKind::InvalidData) => "Invalid data",
            (None, _) => "Failed",
        })
    }
}

impl core::error::Error for Error {}

/// The text of an error number.
#[must_use]
pub const fn text(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM => "Operation not permitted",
        Errno::ENOENT => "No such file or directory",
        Errno::ESRCH => "No such process",
        Errno::EINTR => "Interrupted system call",
        Errno::EIO => "Input/output error",
        Errno::ENXIO => "No such device or address",
        Errno::E2BIG => "Argument list too long",
        Errno::ENOEXEC => "Exec format error",
        Errno::EBADF => "Bad file descriptor",
        Errno::ECHILD => "No child processes",
        Errno::EAGAIN => "Resource temporarily unavailable",
        Errno::ENOMEM => "Cannot allocate memory",
        Errno::EACCES => "Permission denied",
        Errno::EBUSY => "Device or resource busy",
        Errno::EEXIST => "File exists",
        Errno::EXDEV => "Invalid cross-device link",
        Errno::ENODEV => "No such device",
        Errno::ENOTDIR => "Not a directory",
        Errno::EISDIR => "Is a directory",
        Errno::EINVAL => "Invalid argument",
        Errno::ENFILE => "Too many open files in system",
        Errno::EMFILE => "Too many open files",
        Errno::ENOTTY => "Inappropriate ioctl for device",
        Errno::EFBIG => "File too large",
        Errno::ENOSPC => "No space left on device",
        Errno::ESPIPE => "Illegal seek",
        Errno::EROFS => "Read-only file system",
        Errno::EMLINK => "Too many links",
        Errno::EPIPE => "Broken pipe",
        Errno::ERANGE => "Numerical result out of range",
        Errno::ENAMETOOLONG => "File name too long",
        Errno::ENOSYS => "Function not implemented",
        Errno::ENOTEMPTY => "Directory not empty",
        Errno::ELOOP => "Too many levels of symbolic links",
        Errno::EUCLEAN => "Structure needs cleaning",
    }
}
