//! What an operation, a mount or a damaged image can answer.

use core::fmt;

use crate::features::UnsupportedFeatures;

/// Why an operation on a mounted file system failed.
///
/// `E` is the error of the [`BlockStore`](crate::BlockStore) beneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error<E> {
    /// The store could not read, write or flush.
    Io(E),
    /// The image contradicts itself; the operation stopped where it saw that.
    Corrupt(Corruption),
    /// No such name, or an inode number that is not in use.
    NotFound,
    /// The name is taken.
    Exists,
    /// A directory is needed here.
    NotDirectory,
    /// A directory cannot be used here.
    IsDirectory,
    /// Only a regular file has contents to read, write or truncate.
    NotFile,
    /// Only a symbolic link can be read with `readlink`.
    NotSymlink,
    /// The directory still has entries.
    NotEmpty,
    /// No free block or no free inode.
    NoSpace,
    /// A name over 255 bytes, or a link target longer than one block.
    NameTooLong,
    /// An empty name, a name with `/` or NUL, or `.` and `..` where they mean nothing.
    InvalidName,
    /// The inode has as many links as ext2 allows (32,000).
    TooManyLinks,
    /// Beyond the last byte that the block map can address.
    FileTooLarge,
    /// The file system was mounted read-only.
    ReadOnly,
    /// A directory cannot be moved into itself or beneath itself.
    IntoItself,
}

/// What is wrong with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    /// The superblock's sizes and counts do not fit together, or not the store.
    Geometry,
    /// A group descriptor points outside its group.
    GroupDescriptor,
    /// A block number outside the file system, or inside its own tables.
    BlockNumber,
    /// An inode number beyond the last inode, or of a reserved one.
    InodeNumber,
    /// An inode of no known type, or with fields that exclude each other.
    Inode,
    /// A directory record that does not fit its block.
    DirectoryRecord,
    /// A directory with a hole, or one whose size is not in whole blocks.
    DirectorySize,
    /// `.` or `..` is missing or leads nowhere, or directories form a ring.
    DirectoryTree,
    /// A bitmap disagrees with the structures it describes.
    Bitmap,
    /// The list of unlinked inodes still in use is broken.
    OrphanList,
    /// An extended-attribute block without its magic number.
    AttributeBlock,
}

/// Why an image could not be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountError<E> {
    /// The store could not be read or written.
    Io(E),
    /// No ext2 magic number: not this kind of file system.
    NotExt2,
    /// The file system's revision, where only 1 is supported.
    Revision(u32),
    /// Its blocks are 2 to this power bytes, where 1, 2 and 4 KiB are supported.
    BlockSize {
        /// The base-2 logarithm of the block size in bytes, as claimed.
        log2_bytes: u32,
    },
    /// The store's sector is not a divisor of the file system's block.
    SectorSize {
        /// The store's sector in bytes.
        sector_bytes: u32,
        /// The file system's block in bytes.
        block_bytes: u32,
    },
    /// Features without which the image cannot even be read.
    Incompatible(UnsupportedFeatures),
    /// Features that allow reading only; mount it read-only.
    WritingUnsupported(UnsupportedFeatures),
    /// The image contradicts itself.
    Corrupt(Corruption),
}

impl<E> From<Corruption> for Error<E> {
    fn from(corruption: Corruption) -> Self {
        Error::Corrupt(corruption)
    }
}

impl<E> From<Corruption> for MountError<E> {
    fn from(corruption: Corruption) -> Self {
        MountError::Corrupt(corruption)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Io(error) => return write!(f, "input/output error: {error}"),
            Error::Corrupt(what) => return write!(f, "file system is damaged: {what}"),
            Error::NotFound => "no such file or directory",
            Error::Exists => "name exists",
            Error::NotDirectory => "not a directory",
            Error::IsDirectory => "is a directory",
            Error::NotFile => "not a regular file",
            Error::NotSymlink => "not a symbolic link",
            Error::NotEmpty => "directory not empty",
            Error::NoSpace => "no space left",
            Error::NameTooLong => "name too long",
            Error::InvalidName => "invalid name",
            Error::TooManyLinks => "too many links",
            Error::FileTooLarge => "file too large",
            Error::ReadOnly => "read-only file system",
            Error::IntoItself => "a directory cannot be moved into itself",
        })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Corruption::Geometry => "superblock geometry",
            Corruption::GroupDescriptor => "group descriptor",
            Corruption::BlockNumber => "block number",
            Corruption::InodeNumber => "inode number",
            Corruption::Inode => "inode",
            Corruption::DirectoryRecord => "directory record",
            Corruption::DirectorySize => "directory size",
            Corruption::DirectoryTree => "directory tree",
            Corruption::Bitmap => "allocation bitmap",
            Corruption::OrphanList => "orphan list",
            Corruption::AttributeBlock => "extended-attribute block",
        })
    }
}

impl<E: fmt::Display> fmt::Display for MountError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MountError::Io(error) => write!(f, "input/output error: {error}"),
            MountError::NotExt2 => f.write_str("not an ext2 file system"),
            MountError::Revision(found) => write!(f, "revision {found}, expected 1"),
            MountError::BlockSize { log2_bytes } => {
                write!(f, "block size 2^{log2_bytes}, expected 1, 2 or 4 KiB")
            }
            MountError::SectorSize {
                sector_bytes,
                block_bytes,
            } => {
                write!(
                    f,
                    "sectors of {sector_bytes} bytes cannot hold blocks of {block_bytes}"
                )
            }
            MountError::Incompatible(features) => {
                write!(f, "needs unsupported features: {features}")
            }
            MountError::WritingUnsupported(features) => {
                write!(f, "read-only because of unsupported features: {features}")
            }
            MountError::Corrupt(what) => write!(f, "file system is damaged: {what}"),
        }
    }
}
