//! From failures of the file system to the error numbers of POSIX.

use exchange::RpcResult;
use interfaces::files::FileError;
pub use interfaces::process::Errno;

/// What a system call comes to.
pub type Outcome<T> = Result<T, Errno>;

/// The error number a file system's failure stands for.
#[must_use]
pub const fn from_file_error(error: FileError) -> Errno {
    match error {
        FileError::NotFound => Errno::ENOENT,
        FileError::Exists => Errno::EEXIST,
        FileError::NotDirectory => Errno::ENOTDIR,
        FileError::IsDirectory => Errno::EISDIR,
        FileError::NotEmpty => Errno::ENOTEMPTY,
        FileError::NoSpace => Errno::ENOSPC,
        FileError::BadName | FileError::Invalid => Errno::EINVAL,
        FileError::TooManyLinks => Errno::EMLINK,
        FileError::TooLarge => Errno::EFBIG,
        FileError::ReadOnly => Errno::EROFS,
        FileError::Corrupt => Errno::EUCLEAN,
        FileError::Io | FileError::Lost => Errno::EIO,
        FileError::NoMemory => Errno::ENOMEM,
    }
}

/// One result of the two layers of an answer. A file system that is dead, or
/// that the stack is too short to reach, is an input/output error.
pub fn flatten<T>(answer: RpcResult<Result<T, FileError>>) -> Outcome<T> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(from_file_error(error)),
        Err(_) => Err(Errno::EIO),
    }
}

/// For operations on an open file: its inode vanishing is no missing name but
/// a file system that was replaced and forgot it.
pub fn flatten_open<T>(answer: RpcResult<Result<T, FileError>>) -> Outcome<T> {
    flatten(answer).map_err(of_open)
}

/// An error of an operation on an open file, as [`flatten_open`] has it.
pub fn of_open(error: Errno) -> Errno {
    match error {
        Errno::ENOENT => Errno::EIO,
        other => other,
    }
}
