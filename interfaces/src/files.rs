//! File systems: inodes by number, without open files or paths.
//!
//! The interface is stateless apart from [`FileSystem::retain`]: a caller holds
//! inode numbers and offsets itself, so a file system can be replaced under it.
//!
//! Each call that changes something is done as a whole or not at all when the
//! file system dies in it, if its state is kept ([`crate::keep`]); of a write the
//! bytes may be there already. Behind a shadow every call may take as long as
//! the file system takes to restart.

use exchange::RpcResult;
use macros::{Exchangeable, interface};

/// Longest file name in bytes.
pub const NAME_MAX: usize = 255;

/// Entries in one answer of [`FileSystem::read_directory`].
pub const DIRECTORY_BATCH: usize = 32;

/// An inode number; [`FileSystem::root`] is where to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Exchangeable)]
#[repr(C)]
pub struct Inode(pub u64);

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum FileKind {
    /// Bytes.
    Regular = 1,
    /// Names of files.
    Directory = 2,
    /// A path to another file.
    Symlink = 3,
    /// A character device.
    CharacterDevice = 4,
    /// A block device.
    BlockDevice = 5,
    /// A named pipe.
    Fifo = 6,
    /// A socket.
    Socket = 7,
}

impl FileKind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Regular,
            2 => Self::Directory,
            3 => Self::Symlink,
            4 => Self::CharacterDevice,
            5 => Self::BlockDevice,
            6 => Self::Fifo,
            7 => Self::Socket,
            _ => return None,
        })
    }
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct Attributes {
    /// Its inode.
    pub inode: Inode,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, as in POSIX.
    pub mode: u32,
    /// Names it has.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes in one block of the file system.
    pub block_bytes: u32,
    /// Bytes in the file.
    pub size: u64,
    /// Blocks of 512 bytes it takes.
    pub blocks: u64,
    /// Last access, seconds since 1970 UTC.
    pub accessed_s: i64,
    /// Last change of the contents, seconds since 1970 UTC.
    pub modified_s: i64,
    /// Last change of the attributes, seconds since 1970 UTC.
    pub changed_s: i64,
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum FileError {
    /// No such name or inode.
    NotFound = 1,
    /// The name is taken.
    Exists = 2,
    /// Not a directory.
    NotDirectory = 3,
    /// A directory, where none may be.
    IsDirectory = 4,
    /// The directory has entries.
    NotEmpty = 5,
    /// The disk is full.
    NoSpace = 6,
    /// The name is too long, empty or has a slash or zero byte.
    BadName = 7,
    /// The inode has as many names as it can have.
    TooManyLinks = 8,
    /// The file would grow past what the file system can hold.
    TooLarge = 9,
    /// The file system is mounted for reading only.
    ReadOnly = 10,
    /// The structures on disk contradict themselves.
    Corrupt = 11,
    /// The device failed.
    Io = 12,
    /// The operation makes no sense for this kind of file.
    Invalid = 13,
    /// No memory.
    NoMemory = 14,
    /// The file system died at each of several attempts, or did not come back.
    /// Whether the change was made is unknown.
    Lost = 15,
}

/// What [`FileSystem::append`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct Appended {
    /// How many bytes, fewer than given where space ran out.
    pub bytes: u64,
    /// The offset after them.
    pub end: u64,
}

/// A file's name, as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct FileName {
    /// Bytes in use.
    pub length: u32,
    /// The bytes.
    pub bytes: [u8; NAME_MAX],
}

/// One entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct DirectoryEntry {
    /// The inode named.
    pub inode: Inode,
    /// Number of its [`FileKind`]: a file system that dies while it fills its caller's
    /// entries leaves numbers there, not kinds.
    pub kind: u32,
    /// Its name.
    pub name: FileName,
    /// Where to go on after this entry.
    pub next: u64,
}

/// What is known of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct FileSystemStatus {
    /// Bytes in a block.
    pub block_bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Free blocks.
    pub free_blocks: u64,
    /// Inodes.
    pub inodes: u64,
    /// Free inodes.
    pub free_inodes: u64,
    /// 1 if it refuses writes.
    pub read_only: u64,
}

/// A file system.
///
/// Calls that may be made twice are marked: their callers do not see the death of a
/// shadow. What the others did, a caller finds out by looking.
#[interface]
pub trait FileSystem {
    /// The root directory.
    #[repeatable]
    fn root(&self) -> RpcResult<Result<Inode, FileError>>;
    /// The inode `name` stands for in `directory` (`.` and `..` included).
    #[repeatable]
    fn lookup(&self, directory: Inode, name: &[u8]) -> RpcResult<Result<Inode, FileError>>;
    /// What is known of an inode.
    #[repeatable]
    fn attributes(&self, inode: Inode) -> RpcResult<Result<Attributes, FileError>>;
    /// Reads at `offset`; how many bytes, 0 at the end.
    #[repeatable]
    fn read(&self, inode: Inode, offset: u64, into: &mut [u8])
    -> RpcResult<Result<u64, FileError>>;
    /// Writes at `offset`, growing the file; how many bytes, fewer than given where
    /// space ran out.
    #[repeatable]
    fn write(&self, inode: Inode, offset: u64, from: &[u8]) -> RpcResult<Result<u64, FileError>>;
    /// Writes at the end of the file as one step.
    fn append(&self, inode: Inode, from: &[u8]) -> RpcResult<Result<Appended, FileError>>;
    /// Sets the length.
    #[repeatable]
    fn truncate(&self, inode: Inode, size: u64) -> RpcResult<Result<(), FileError>>;
    /// Makes an empty regular file and names it.
    fn create(
        &self,
        directory: Inode,
        name: &[u8],
        mode: u32,
    ) -> RpcResult<Result<Inode, FileError>>;
    /// Makes a directory and names it.
    fn make_directory(
        &self,
        directory: Inode,
        name: &[u8],
        mode: u32,
    ) -> RpcResult<Result<Inode, FileError>>;
    /// Removes a name of something that is no directory.
    fn unlink(&self, directory: Inode, name: &[u8]) -> RpcResult<Result<(), FileError>>;
    /// Removes an empty directory.
    fn remove_directory(&self, directory: Inode, name: &[u8]) -> RpcResult<Result<(), FileError>>;
    /// Gives a regular file another name.
    fn link(&self, inode: Inode, directory: Inode, name: &[u8])
    -> RpcResult<Result<(), FileError>>;
    /// Makes a symbolic link to `target`.
    fn symlink(
        &self,
        directory: Inode,
        name: &[u8],
        target: &[u8],
    ) -> RpcResult<Result<Inode, FileError>>;
    /// Copies a symbolic link's target; its length.
    #[repeatable]
    fn read_link(&self, inode: Inode, into: &mut [u8]) -> RpcResult<Result<u64, FileError>>;
    /// Renames, replacing what `to_name` stood for as POSIX says.
    fn rename(
        &self,
        from: Inode,
        from_name: &[u8],
        to: Inode,
        to_name: &[u8],
    ) -> RpcResult<Result<(), FileError>>;
    /// Sets permission bits.
    #[repeatable]
    fn set_mode(&self, inode: Inode, mode: u32) -> RpcResult<Result<(), FileError>>;
    /// Sets access and modification time, each as near as the file system can keep it.
    #[repeatable]
    fn set_times(
        &self,
        inode: Inode,
        accessed_s: i64,
        modified_s: i64,
    ) -> RpcResult<Result<(), FileError>>;
    /// Fills `entries` from position `cookie` (0: the start); how many.
    #[repeatable]
    fn read_directory(
        &self,
        inode: Inode,
        cookie: u64,
        entries: &mut [DirectoryEntry],
    ) -> RpcResult<Result<u64, FileError>>;
    /// Keeps an inode's contents even when its last name goes, until
    /// [`FileSystem::release`] was called as often.
    fn retain(&self, inode: Inode) -> RpcResult<Result<(), FileError>>;
    /// Ends what one [`FileSystem::retain`] began.
    fn release(&self, inode: Inode) -> RpcResult<Result<(), FileError>>;
    /// How many times an inode is retained.
    #[repeatable]
    fn retentions(&self, inode: Inode) -> RpcResult<Result<u64, FileError>>;
    /// Makes an inode's contents and attributes durable.
    #[repeatable]
    fn sync_inode(&self, inode: Inode) -> RpcResult<Result<(), FileError>>;
    /// Makes everything durable and leaves the disk consistent.
    #[repeatable]
    fn sync(&self) -> RpcResult<Result<(), FileError>>;
    /// The last call of all: nothing is retained any more. Deletes what has no
    /// name and makes everything durable.
    #[repeatable]
    fn finish(&self) -> RpcResult<Result<(), FileError>>;
    /// What is known of the file system.
    #[repeatable]
    fn status(&self) -> RpcResult<Result<FileSystemStatus, FileError>>;
}
