//! The interface `FileSystem`, answered by the ext2 library.

use core::ops::ControlFlow;

use exchange::RpcResult;
use ext2::{BlockStore, Clock, Error, Ext2, InodeNumber};
use interfaces::files::{
    Appended, Attributes, DirectoryEntry, FileError, FileKind, FileName, FileSystem,
    FileSystemStatus, Inode, NAME_MAX,
};
use runtime::log;
use runtime::sync::Mutex;

use crate::keeping::Keeping;

/// Owner and group of what is made: there is one user.
const NOBODY_ELSE: u32 = 0;

/// A mounted file system that several threads can use.
pub struct Files<S: BlockStore, C: Clock> {
    mounted: Mutex<Mounted<S, C>>,
}

struct Mounted<S: BlockStore, C: Clock> {
    file_system: Ext2<S, C>,
    keeping: Option<Keeping>,
}

impl<S: BlockStore, C: Clock> core::fmt::Debug for Files<S, C> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Files")
    }
}

type Answer<T> = RpcResult<Result<T, FileError>>;

impl<S: BlockStore<Error: core::fmt::Display>, C: Clock> Files<S, C> {
    /// Serves a mounted file system, whose changes are kept if `keeping` is
    /// given.
    #[must_use]
    pub fn new(mut file_system: Ext2<S, C>, mut keeping: Option<Keeping>) -> Self {
        if let Some(keeping) = &mut keeping {
            keeping.after_operation(&mut file_system);
        }
        Self {
            mounted: Mutex::new(Mounted {
                file_system,
                keeping,
            }),
        }
    }

    /// Writes everything back.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write_back(&self) -> Result<(), FileError> {
        self.do_one(Ext2::sync)
    }

    /// The keeper has died: gives its successor everything, now.
    pub fn keep_again(&self) {
        let mut mounted = self.mounted.lock();
        let mounted = &mut *mounted;
        if let Some(keeping) = &mut mounted.keeping {
            keeping.set_behind();
            keeping.after_operation(&mut mounted.file_system);
        }
    }

    /// Gives the file system back.
    #[must_use]
    pub fn into_inner(self) -> Ext2<S, C> {
        self.mounted.into_inner().file_system
    }

    /// Does an operation, and gives what it changed to the keeper before anybody
    /// sees the answer.
    fn do_one<T>(
        &self,
        operation: impl FnOnce(&mut Ext2<S, C>) -> Result<T, Error<S::Error>>,
    ) -> Result<T, FileError> {
        let mut mounted = self.mounted.lock();
        let mounted = &mut *mounted;
        let result = operation(&mut mounted.file_system);
        if let Some(keeping) = &mut mounted.keeping {
            keeping.after_operation(&mut mounted.file_system);
        }
        result.map_err(refusal)
    }

    fn run<T>(
        &self,
        operation: impl FnOnce(&mut Ext2<S, C>) -> Result<T, Error<S::Error>>,
    ) -> Answer<T> {
        Ok(self.do_one(operation))
    }

    fn run_on<T>(
        &self,
        inode: Inode,
        operation: impl FnOnce(&mut Ext2<S, C>, InodeNumber) -> Result<T, Error<S::Error>>,
    ) -> Answer<T> {
        match number(inode) {
            Ok(number) => self.run(|mounted| operation(mounted, number)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl<S: BlockStore<Error: core::fmt::Display> + Send, C: Clock + Send> FileSystem for Files<S, C> {
    fn root(&self) -> Answer<Inode> {
        self.run(|mounted| Ok(Inode(mounted.root().into())))
    }

    fn lookup(&self, directory: Inode, name: &[u8]) -> Answer<Inode> {
        self.run_on(directory, |mounted, directory| {
            mounted
                .lookup(directory, name)
                .map(|inode| Inode(inode.into()))
        })
    }

    fn attributes(&self, inode: Inode) -> Answer<Attributes> {
        self.run_on(inode, |mounted, inode| {
            let block_bytes = mounted.statfs().block_bytes;
            Ok(attributes(&mounted.stat(inode)?, block_bytes))
        })
    }

    fn read(&self, inode: Inode, offset: u64, into: &mut [u8]) -> Answer<u64> {
        self.run_on(inode, |mounted, inode| {
            mounted.read(inode, offset, into).map(|bytes| bytes as u64)
        })
    }

    fn write(&self, inode: Inode, offset: u64, from: &[u8]) -> Answer<u64> {
        self.run_on(inode, |mounted, inode| {
            mounted.write(inode, offset, from).map(|bytes| bytes as u64)
        })
    }

    fn append(&self, inode: Inode, from: &[u8]) -> Answer<Appended> {
        self.run_on(inode, |mounted, inode| {
            let start = mounted.stat(inode)?.size;
            let bytes = mounted.write(inode, start, from)? as u64;
            let end = start + bytes;
            Ok(Appended { bytes, end })
        })
    }

    fn truncate(&self, inode: Inode, size: u64) -> Answer<()> {
        self.run_on(inode, |mounted, inode| mounted.truncate(inode, size))
    }

    fn create(&self, directory: Inode, name: &[u8], mode: u32) -> Answer<Inode> {
        self.run_on(directory, |mounted, directory| {
            let made = mounted.create(directory, name, new_attributes(mode))?;
            Ok(Inode(made.into()))
        })
    }

    fn make_directory(&self, directory: Inode, name: &[u8], mode: u32) -> Answer<Inode> {
        self.run_on(directory, |mounted, directory| {
            let made = mounted.mkdir(directory, name, new_attributes(mode))?;
            Ok(Inode(made.into()))
        })
    }

    fn unlink(&self, directory: Inode, name: &[u8]) -> Answer<()> {
        self.run_on(directory, |mounted, directory| {
            mounted.unlink(directory, name)
        })
    }

    fn remove_directory(&self, directory: Inode, name: &[u8]) -> Answer<()> {
        self.run_on(directory, |mounted, directory| {
            mounted.rmdir(directory, name)
        })
    }

    fn link(&self, inode: Inode, directory: Inode, name: &[u8]) -> Answer<()> {
        let directory = match number(directory) {
            Ok(directory) => directory,
            Err(error) => return Ok(Err(error)),
        };
        self.run_on(inode, |mounted, inode| mounted.link(inode, directory, name))
    }

    fn symlink(&self, directory: Inode, name: &[u8], target: &[u8]) -> Answer<Inode> {
        self.run_on(directory, |mounted, directory| {
            let made = mounted.symlink(directory, name, target, new_attributes(0o777))?;
            Ok(Inode(made.into()))
        })
    }

    fn read_link(&self, inode: Inode, into: &mut [u8]) -> Answer<u64> {
        self.run_on(inode, |mounted, inode| {
            let target = mounted.readlink(inode)?;
            let bytes = target.len().min(into.len());
            into[..bytes].copy_from_slice(&target[..bytes]);
            Ok(target.len() as u64)
        })
    }

    fn rename(&self, from: Inode, from_name: &[u8], to: Inode, to_name: &[u8]) -> Answer<()> {
        let to = match number(to) {
            Ok(to) => to,
            Err(error) => return Ok(Err(error)),
        };
        self.run_on(from, |mounted, from| {
            mounted.rename(from, from_name, to, to_name)
        })
    }

    fn set_mode(&self, inode: Inode, mode: u32) -> Answer<()> {
        self.run_on(inode, |mounted, inode| {
            mounted.set_permissions(inode, permissions(mode))
        })
    }

    fn set_times(&self, inode: Inode, accessed_s: i64, modified_s: i64) -> Answer<()> {
        self.run_on(inode, |mounted, inode| {
            mounted.set_times(inode, Some(accessed_s), Some(modified_s))
        })
    }

    fn read_directory(
        &self,
        inode: Inode,
        cookie: u64,
        entries: &mut [DirectoryEntry],
    ) -> Answer<u64> {
        self.run_on(inode, |mounted, directory| {
            list(mounted, directory, cookie, entries)
        })
    }

    fn retain(&self, inode: Inode) -> Answer<()> {
        self.run_on(inode, Ext2::retain)
    }

    fn release(&self, inode: Inode) -> Answer<()> {
        self.run_on(inode, Ext2::release)
    }

    fn retentions(&self, inode: Inode) -> Answer<u64> {
        self.run_on(inode, |mounted, inode| Ok(mounted.retentions(inode).into()))
    }

    fn sync_inode(&self, inode: Inode) -> Answer<()> {
        self.run_on(inode, |mounted, inode| {
            mounted.stat(inode)?;
            mounted.sync()
        })
    }

    fn sync(&self) -> Answer<()> {
        self.run(Ext2::sync)
    }

    fn finish(&self) -> Answer<()> {
        self.run(Ext2::finish)
    }

    fn status(&self) -> Answer<FileSystemStatus> {
        self.run(|mounted| {
            let status = mounted.statfs();
            Ok(FileSystemStatus {
                block_bytes: status.block_bytes.into(),
                blocks: status.blocks,
                free_blocks: status.free_blocks,
                inodes: status.inodes,
                free_inodes: status.free_inodes,
                read_only: status.is_read_only.into(),
            })
        })
    }
}

fn list<S: BlockStore, C: Clock>(
    mounted: &mut Ext2<S, C>,
    directory: InodeNumber,
    cookie: u64,
    entries: &mut [DirectoryEntry],
) -> Result<u64, Error<S::Error>> {
    let mut filled = 0;
    let mut kinds_missing = false;
    mounted.read_dir(directory, cookie, |found| {
        let Some(entry) = entries.get_mut(filled) else {
            return ControlFlow::Break(());
        };
        let length = found.name.len().min(NAME_MAX);
        let mut bytes = [0; NAME_MAX];
        bytes[..length].copy_from_slice(&found.name[..length]);
        kinds_missing |= found.kind.is_none();
        *entry = DirectoryEntry {
            inode: Inode(found.inode.into()),
            kind: found.kind.map_or(FileKind::Regular, kind) as u32,
            name: FileName {
                length: length as u32,
                bytes,
            },
            next: found.next_cookie,
        };
        filled += 1;
        ControlFlow::Continue(())
    })?;
    if kinds_missing {
        // File systems without the feature `filetype` know kinds in inodes only.
        for entry in &mut entries[..filled] {
            let inode = u32::try_from(entry.inode.0).map_err(|_| Error::NotFound)?;
            entry.kind = kind(mounted.stat(inode)?.kind) as u32;
        }
    }
    Ok(filled as u64)
}

fn number(inode: Inode) -> Result<InodeNumber, FileError> {
    u32::try_from(inode.0).map_err(|_| FileError::NotFound)
}

const fn permissions(mode: u32) -> u16 {
    (mode & 0o7777) as u16
}

const fn new_attributes(mode: u32) -> ext2::Attributes {
    ext2::Attributes {
        permissions: permissions(mode),
        uid: NOBODY_ELSE,
        gid: NOBODY_ELSE,
    }
}

fn attributes(stat: &ext2::Stat, block_bytes: u32) -> Attributes {
    Attributes {
        inode: Inode(stat.inode.into()),
        kind: kind(stat.kind),
        mode: stat.permissions.into(),
        links: stat.links.into(),
        uid: stat.uid,
        gid: stat.gid,
        block_bytes,
        size: stat.size,
        blocks: stat.sectors_512.into(),
        accessed_s: stat.atime_s,
        modified_s: stat.mtime_s,
        changed_s: stat.ctime_s,
    }
}

const fn kind(kind: ext2::FileKind) -> FileKind {
    match kind {
        ext2::FileKind::Regular => FileKind::Regular,
        ext2::FileKind::Directory => FileKind::Directory,
        ext2::FileKind::Symlink => FileKind::Symlink,
        ext2::FileKind::CharacterDevice => FileKind::CharacterDevice,
        ext2::FileKind::BlockDevice => FileKind::BlockDevice,
        ext2::FileKind::Fifo => FileKind::Fifo,
        ext2::FileKind::Socket => FileKind::Socket,
    }
}

/// The error as callers see it; what they do not see goes to the log.
fn refusal<E: core::fmt::Display>(error: Error<E>) -> FileError {
    match error {
        Error::Io(error) => {
            log::warn!("ext2fs: {error}");
            FileError::Io
        }
        Error::Corrupt(corruption) => {
            log::error!("ext2fs: the file system is damaged: {corruption}");
            FileError::Corrupt
        }
        Error::NotFound => FileError::NotFound,
        Error::Exists => FileError::Exists,
        Error::NotDirectory => FileError::NotDirectory,
        Error::IsDirectory => FileError::IsDirectory,
        Error::NotEmpty => FileError::NotEmpty,
        Error::NoSpace => FileError::NoSpace,
        Error::NameTooLong | Error::InvalidName => FileError::BadName,
        Error::TooManyLinks => FileError::TooManyLinks,
        Error::FileTooLarge => FileError::TooLarge,
        Error::ReadOnly => FileError::ReadOnly,
        Error::NotFile | Error::NotSymlink | Error::IntoItself => FileError::Invalid,
    }
}
