//! Making and removing names: files, directories, links.

use alloc::vec::Vec;

use crate::directory::check_new_name;
use crate::error::{Corruption, Error};
use crate::inode::{FAST_SYMLINK_BYTES, Inode, MAX_LINKS};
use crate::outcome::Outcome;
use crate::{Attributes, BlockStore, Clock, Ext2, FileKind, InodeNumber, Stat};

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// What is known about an inode.
    pub fn stat(&mut self, inode: InodeNumber) -> Outcome<Stat, S> {
        let inode = self.inode(inode)?;
        let kind = inode.kind().ok_or(Corruption::Inode)?;
        Ok(inode.stat(kind))
    }

    /// Makes an empty regular file.
    pub fn create(
        &mut self,
        directory: InodeNumber,
        name: &[u8],
        attributes: Attributes,
    ) -> Outcome<InodeNumber, S> {
        self.make(
            directory,
            name,
            FileKind::Regular,
            attributes,
            |_, _| Ok(()),
        )
    }

    /// Makes an empty directory.
    pub fn mkdir(
        &mut self,
        parent: InodeNumber,
        name: &[u8],
        attributes: Attributes,
    ) -> Outcome<InodeNumber, S> {
        let number = self.make(
            parent,
            name,
            FileKind::Directory,
            attributes,
            |fs, directory| {
                directory.links = 2;
                fs.make_directory_block(directory, parent)
            },
        )?;
        self.modify(|fs| fs.touch_directory(parent, 1))?;
        Ok(number)
    }

    /// Makes a symbolic link to `target`, which need not exist.
    pub fn symlink(
        &mut self,
        directory: InodeNumber,
        name: &[u8],
        target: &[u8],
        attributes: Attributes,
    ) -> Outcome<InodeNumber, S> {
        if target.is_empty() || target.contains(&0) {
            return Err(Error::InvalidName);
        }
        // The block also holds a NUL behind the target.
        if target.len() >= self.superblock.geometry.block_bytes as usize {
            return Err(Error::NameTooLong);
        }
        self.make(
            directory,
            name,
            FileKind::Symlink,
            attributes,
            |fs, link| fs.set_link_target(link, target),
        )
    }

    /// A symbolic link's target.
    pub fn readlink(&mut self, link: InodeNumber) -> Outcome<Vec<u8>, S> {
        let inode = self.inode(link)?;
        if inode.kind() != Some(FileKind::Symlink) {
            return Err(Error::NotSymlink);
        }
        let geometry = self.superblock.geometry;
        let fast = inode.is_fast_symlink(&geometry);
        let limit = if fast {
            FAST_SYMLINK_BYTES as u64
        } else {
            u64::from(geometry.block_bytes)
        };
        if inode.size == 0 || inode.size > limit {
            return Err(Corruption::Inode.into());
        }
        let length = inode.size as usize;
        if fast {
            let bytes = inode
                .pointers
                .iter()
                .flat_map(|pointer| pointer.to_le_bytes());
            return Ok(bytes.take(length).collect());
        }
        let mut target = alloc::vec![0; length];
        self.read_blocks(&inode, 0, &mut target, false)?;
        Ok(target)
    }

    /// Gives a file (not a directory) another name.
    pub fn link(
        &mut self,
        inode: InodeNumber,
        directory: InodeNumber,
        name: &[u8],
    ) -> Outcome<(), S> {
        let mut inode = self.inode(inode)?;
        check_new_name(name)?;
        let kind = inode.kind().ok_or(Corruption::Inode)?;
        if kind == FileKind::Directory {
            return Err(Error::IsDirectory);
        }
        let parent = self.directory(directory)?;
        if self.find(&parent, name)?.is_some() {
            return Err(Error::Exists);
        }
        if inode.links >= MAX_LINKS {
            return Err(Error::TooManyLinks);
        }
        if inode.links == 0 {
            return Err(Error::NotFound);
        }
        self.modify(|fs| {
            fs.insert(directory, name, inode.number, kind)?;
            inode.links += 1;
            inode.ctime_s = fs.clock.now_s();
            fs.store_inode(&inode)
        })
    }

    /// Removes a name of something that is not a directory; the last name's
    /// removal deletes it, unless it is retained.
    pub fn unlink(&mut self, directory: InodeNumber, name: &[u8]) -> Outcome<(), S> {
        check_new_name(name)?;
        let parent = self.directory(directory)?;
        let found = self.find(&parent, name)?.ok_or(Error::NotFound)?;
        let inode = self.named_inode(found.inode)?;
        if inode.is_directory() {
            return Err(Error::IsDirectory);
        }
        self.modify(|fs| {
            fs.remove(directory, name, found)?;
            fs.drop_link(inode)
        })
    }

    /// Removes an empty directory.
    pub fn rmdir(&mut self, parent: InodeNumber, name: &[u8]) -> Outcome<(), S> {
        check_new_name(name)?;
        let directory = self.directory(parent)?;
        let found = self.find(&directory, name)?.ok_or(Error::NotFound)?;
        let inode = self.named_inode(found.inode)?;
        if !inode.is_directory() {
            return Err(Error::NotDirectory);
        }
        if inode.number == parent || inode.number == crate::superblock::ROOT_INODE {
            return Err(Corruption::DirectoryTree.into());
        }
        if !self.is_empty_directory(&inode)? {
            return Err(Error::NotEmpty);
        }
        self.modify(|fs| {
            fs.remove(parent, name, found)?;
            fs.touch_directory(parent, -1)?;
            fs.drop_directory(inode)
        })
    }

    /// Sets the permission bits (of `07777`).
    pub fn set_permissions(&mut self, number: InodeNumber, permissions: u16) -> Outcome<(), S> {
        self.change_inode(number, |inode| {
            inode.mode = (inode.mode & !0o7777) | (permissions & 0o7777);
        })
    }

    /// Sets the owner and group.
    pub fn set_owner(&mut self, number: InodeNumber, uid: u32, gid: u32) -> Outcome<(), S> {
        self.change_inode(number, |inode| {
            inode.uid = uid;
            inode.gid = gid;
        })
    }

    /// Sets the access and modification times, where given, in seconds since
    /// 1970, each as near as the inode can have it.
    pub fn set_times(
        &mut self,
        number: InodeNumber,
        atime_s: Option<i64>,
        mtime_s: Option<i64>,
    ) -> Outcome<(), S> {
        self.change_inode(number, |inode| {
            inode.atime_s = atime_s.unwrap_or(inode.atime_s);
            inode.mtime_s = mtime_s.unwrap_or(inode.mtime_s);
        })
    }

    /// Takes one link from a file that lost a name.
    pub(crate) fn drop_link(&mut self, mut inode: Inode) -> Outcome<(), S> {
        inode.links = inode.links.saturating_sub(1);
        inode.ctime_s = self.clock.now_s();
        if inode.links == 0 {
            return self.drop_unlinked(inode);
        }
        self.store_inode(&inode)
    }

    /// Deletes an empty directory that lost its name.
    pub(crate) fn drop_directory(&mut self, mut inode: Inode) -> Outcome<(), S> {
        inode.links = 0;
        inode.ctime_s = self.clock.now_s();
        self.indexes.forget(inode.number);
        self.drop_unlinked(inode)
    }

    fn change_inode(
        &mut self,
        number: InodeNumber,
        change: impl FnOnce(&mut Inode),
    ) -> Outcome<(), S> {
        let mut inode = self.inode(number)?;
        self.modify(|fs| {
            change(&mut inode);
            inode.ctime_s = fs.clock.now_s();
            fs.store_inode(&inode)
        })
    }

    /// Makes an inode, lets `fill` give it contents, then gives it its name:
    /// a failure in between leaves nothing behind.
    fn make(
        &mut self,
        directory: InodeNumber,
        name: &[u8],
        kind: FileKind,
        attributes: Attributes,
        fill: impl FnOnce(&mut Self, &mut Inode) -> Outcome<(), S>,
    ) -> Outcome<InodeNumber, S> {
        check_new_name(name)?;
        let parent = self.directory(directory)?;
        if self.find(&parent, name)?.is_some() {
            return Err(Error::Exists);
        }
        if parent.links == 0 {
            return Err(Error::NotFound);
        }
        if kind == FileKind::Directory && parent.links >= MAX_LINKS {
            return Err(Error::TooManyLinks);
        }
        self.modify(|fs| {
            let is_directory = kind == FileKind::Directory;
            let number = fs.allocate_inode(directory, is_directory)?;
            let mut inode = Inode::new(number, kind, attributes.permissions, fs.clock.now_s());
            inode.uid = attributes.uid;
            inode.gid = attributes.gid;
            fs.next_generation = fs.next_generation.wrapping_add(1);
            inode.generation = fs.next_generation;
            let mut made = fill(fs, &mut inode);
            if made.is_ok() {
                fs.store_new_inode(&inode)?;
                made = fs.insert(directory, name, number, kind);
            }
            match made {
                Ok(()) => Ok(number),
                Err(error) => {
                    inode.links = 0;
                    fs.delete(inode)?;
                    Err(error)
                }
            }
        })
    }

    fn set_link_target(&mut self, link: &mut Inode, target: &[u8]) -> Outcome<(), S> {
        link.size = target.len() as u64;
        if target.len() < FAST_SYMLINK_BYTES {
            for (pointer, bytes) in link.pointers.iter_mut().zip(target.chunks(4)) {
                let mut field = [0; 4];
                field[..bytes.len()].copy_from_slice(bytes);
                *pointer = u32::from_le_bytes(field);
            }
            return Ok(());
        }
        let (block, _, _) = self.map_or_allocate(link, 0, 1)?;
        let bytes = self.cache.zeroed(block, crate::cache::Content::Data)?;
        bytes[..target.len()].copy_from_slice(target);
        Ok(())
    }
}
