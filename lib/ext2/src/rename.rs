//! Renaming, with POSIX's rules for what stands at the new name.

use crate::directory::{Found, check_new_name};
use crate::error::{Corruption, Error};
use crate::inode::{Inode, MAX_LINKS};
use crate::outcome::{Outcome, lost};
use crate::superblock::ROOT_INODE;
use crate::{BlockStore, Clock, Ext2, FileKind, InodeNumber};

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// Moves a name, replacing what stands at the new one: a file replaces a
    /// file, a directory an empty directory. Two names of the same file are
    /// left as they are, as POSIX demands.
    pub fn rename(
        &mut self,
        from_directory: InodeNumber,
        from_name: &[u8],
        to_directory: InodeNumber,
        to_name: &[u8],
    ) -> Outcome<(), S> {
        check_new_name(from_name)?;
        check_new_name(to_name)?;
        let source = self.directory(from_directory)?;
        let found = self.find(&source, from_name)?.ok_or(Error::NotFound)?;
        let moved = self.named_inode(found.inode)?;
        let destination = self.directory(to_directory)?;
        if destination.links == 0 {
            return Err(Error::NotFound);
        }
        if moved.is_directory() && from_directory != to_directory {
            self.check_not_beneath(to_directory, moved.number)?;
        }
        let target = self.find(&destination, to_name)?;
        if target.is_some_and(|target| target.inode == moved.number) {
            return Ok(());
        }
        let replaced = match target {
            Some(target) => Some((target, self.replaceable(&moved, target)?)),
            None => None,
        };
        let gains_parent = moved.is_directory() && from_directory != to_directory;
        if gains_parent && replaced.is_none() && destination.links >= MAX_LINKS {
            return Err(Error::TooManyLinks);
        }
        self.modify(|fs| {
            fs.put_new_name(&moved, to_directory, to_name, replaced)?;
            fs.remove_old_name(&moved, from_directory, from_name)?;
            if gains_parent {
                fs.set_parent(&moved, to_directory)?;
                fs.touch_directory(from_directory, -1)?;
                fs.touch_directory(to_directory, 1)?;
            }
            fs.stamp_moved(moved.number)
        })
    }

    /// The inode at the new name, if `moved` may take its place.
    fn replaceable(&mut self, moved: &Inode, target: Found) -> Outcome<Inode, S> {
        let inode = self.named_inode(target.inode)?;
        match (moved.is_directory(), inode.is_directory()) {
            (true, false) => Err(Error::NotDirectory),
            (false, true) => Err(Error::IsDirectory),
            (true, true) if inode.number == ROOT_INODE => Err(Corruption::DirectoryTree.into()),
            (true, true) if !self.is_empty_directory(&inode)? => Err(Error::NotEmpty),
            _ => Ok(inode),
        }
    }

    /// The new name comes first: a stop in between leaves two names, not none.
    fn put_new_name(
        &mut self,
        moved: &Inode,
        directory: InodeNumber,
        name: &[u8],
        replaced: Option<(Found, Inode)>,
    ) -> Outcome<(), S> {
        let kind = moved.kind().ok_or(Corruption::Inode)?;
        let Some((target, inode)) = replaced else {
            return self.insert(directory, name, moved.number, kind);
        };
        self.replace(directory, target, moved.number, kind)?;
        if inode.is_directory() {
            self.touch_directory(directory, -1)?;
            self.drop_directory(inode)
        } else {
            self.drop_link(inode)
        }
    }

    fn remove_old_name(
        &mut self,
        moved: &Inode,
        directory: InodeNumber,
        name: &[u8],
    ) -> Outcome<(), S> {
        // Found again, since the new name may have gone into the same block.
        let source = self.directory(directory)?;
        match self.find(&source, name)? {
            Some(found) if found.inode == moved.number => self.remove(directory, name, found),
            _ => Err(Corruption::DirectoryRecord.into()),
        }
    }

    /// Lets a moved directory's `..` name its new parent.
    fn set_parent(&mut self, moved: &Inode, parent: InodeNumber) -> Outcome<(), S> {
        let dots = self.find(moved, b"..")?.ok_or(Corruption::DirectoryTree)?;
        self.replace(moved.number, dots, parent, FileKind::Directory)
    }

    fn stamp_moved(&mut self, number: InodeNumber) -> Outcome<(), S> {
        let mut inode = self.named_inode(number)?;
        inode.ctime_s = self.clock.now_s();
        self.store_inode(&inode)
    }

    /// Refuses if `directory` is `ancestor` or lies beneath it.
    fn check_not_beneath(
        &mut self,
        directory: InodeNumber,
        ancestor: InodeNumber,
    ) -> Outcome<(), S> {
        // Brent's algorithm: a ring of damaged directories meets its own mark.
        let (mut current, mut mark, mut steps, mut lap) = (directory, 0, 0u64, 1u64);
        while current != mark {
            if current == ancestor {
                return Err(Error::IntoItself);
            }
            if current == ROOT_INODE {
                return Ok(());
            }
            if steps == lap {
                (mark, steps, lap) = (current, 0, lap * 2);
            }
            steps += 1;
            let inode = self.directory(current);
            let inode = inode.map_err(|error| lost(error, Corruption::DirectoryTree))?;
            current = self
                .find(&inode, b"..")?
                .ok_or(Corruption::DirectoryTree)?
                .inode;
        }
        Err(Corruption::DirectoryTree.into())
    }
}
