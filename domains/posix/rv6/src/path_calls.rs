//! System calls that take paths: opening, making, removing, renaming.

use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::files::{Attributes, FileKind, Inode};
use interfaces::process::{OpenFlags, PATH_MAX};

use crate::device;
use crate::errno::{Errno, Outcome, flatten};
use crate::lanes::Call;
use crate::open_file::{Access, Object, OpenFile};
use crate::path::{self, Name, Node, Place, Resolver};
use crate::process::ProcessState;
use crate::record::Action;

/// How often `open` follows a symbolic link to nothing before giving up.
const DANGLING_MAX: u32 = 40;

impl Call<'_> {
    /// `open` of POSIX.
    pub(crate) fn open_path(&self, path: &[u8], flags: u32, mode: u32) -> Outcome<u32> {
        self.open_found(path, flags, mode)
            .inspect_err(|_| self.forget_progress())
    }

    fn open_found(&self, path: &[u8], flags: u32, mode: u32) -> Outcome<u32> {
        let has = |flag| flags & flag != 0;
        let access = Access {
            can_read: has(OpenFlags::READ),
            can_write: has(OpenFlags::WRITE),
            appends: has(OpenFlags::APPEND),
        };
        if !access.can_read && !access.can_write {
            return Err(Errno::EINVAL);
        }
        let counted = self.rv6().budget().files.take()?;
        let (resolver, start) = self.resolver()?;
        let place = if has(OpenFlags::CREATE) {
            self.find_or_create(resolver, &start, path, flags, mode)?
        } else if has(OpenFlags::NO_FOLLOW) {
            resolver.resolve_link(&start, path)?
        } else {
            resolver.resolve(&start, path)?
        };
        let object = self.open_object(place, access, flags)?;
        let file = Arc::new(OpenFile::new(object, access, counted));
        let mut descriptors = self.descriptors().lock();
        let descriptor = descriptors.add(Arc::clone(&file))?;
        self.commit([descriptor.into(), 0], |change| {
            file.record(self.rv6().journal(), change);
            self.record_descriptors(&descriptors, change);
        });
        Ok(descriptor)
    }

    /// Where `path` leads; a file is made there if there is nothing.
    fn find_or_create(
        &self,
        resolver: Resolver<'_>,
        start: &Place,
        path: &[u8],
        flags: u32,
        mode: u32,
    ) -> Outcome<Place> {
        let is_exclusive = flags & OpenFlags::EXCLUSIVE != 0;
        let follows = !is_exclusive && flags & OpenFlags::NO_FOLLOW == 0;
        path::check(path)?;
        let mut start = *start;
        let mut path = path.to_vec();
        for _ in 0..DANGLING_MAX {
            let name = match resolver.resolve_name(&start, &path) {
                Err(Errno::EBUSY) => return Err(Errno::EISDIR),
                other => other?,
            };
            let found = match resolver.step(&name.directory, &name.name) {
                Ok(place) if place.kind == FileKind::Symlink && follows => place,
                Ok(_) if is_exclusive => return Err(Errno::EEXIST),
                Ok(place) if name.must_be_directory && place.kind != FileKind::Directory => {
                    return Err(Errno::ENOTDIR);
                }
                Ok(place) => return Ok(place),
                Err(Errno::ENOENT) if name.must_be_directory => return Err(Errno::EISDIR),
                Err(Errno::ENOENT) => {
                    return self.create_file(resolver, &name, mode, is_exclusive);
                }
                Err(error) => return Err(error),
            };
            let Node::Disk(link) = found.node else {
                return Err(Errno::ELOOP);
            };
            path = self.rv6().disk().read_link(link)?;
            if name.must_be_directory {
                path.push(b'/');
            }
            start = name.directory;
        }
        Err(Errno::ELOOP)
    }

    fn create_file(
        &self,
        resolver: Resolver<'_>,
        name: &Name,
        mode: u32,
        is_exclusive: bool,
    ) -> Outcome<Place> {
        let directory = disk_directory(name)?;
        let turn = self.rv6().take_turn();
        let action = Action::Create(directory, name.name.clone());
        // Whoever wants to be the one that made it has to know whether it was.
        let is_written_down = is_exclusive && self.rv6().journal().is_kept();
        if is_written_down {
            if resolver.step(&name.directory, &name.name).is_ok() {
                return Err(Errno::EEXIST);
            }
            turn.intend(self, &action);
        }
        let made = self.rv6().disk().change(&action, |files| {
            files.create(directory, &name.name, mode & 0o7777)
        });
        match made {
            Ok(_) if is_written_down => self.commit_progress(1, |change| turn.settle(change)),
            Err(_) if is_written_down => turn.give_up(),
            _ => {}
        }
        match made {
            // Somebody else made it since we looked.
            Err(Errno::EEXIST) if !is_exclusive => {}
            made => drop(made?),
        }
        resolver.step(&name.directory, &name.name)
    }

    /// `mkdir` of POSIX.
    pub(crate) fn make_directory(&self, path: &[u8], mode: u32) -> Outcome<()> {
        let turn = self.rv6().take_turn();
        let (resolver, start) = self.resolver()?;
        let name = free_name(resolver, &start, path)?;
        let directory = disk_directory(&name)?;
        turn.change(self, &Action::Name(directory, name.name.clone()), |files| {
            files.make_directory(directory, &name.name, mode & 0o7777)
        })
    }

    /// `rmdir` of POSIX.
    pub(crate) fn remove_directory(&self, path: &[u8]) -> Outcome<()> {
        let turn = self.rv6().take_turn();
        let (resolver, start) = self.resolver()?;
        let name = resolver.resolve_name(&start, path)?;
        match &*name.name {
            b"." => return Err(Errno::EINVAL),
            b".." => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        let place = resolver.step(&name.directory, &name.name)?;
        if place.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if place.node == Node::Devices {
            return Err(Errno::EBUSY);
        }
        let directory = disk_directory(&name)?;
        turn.change(
            self,
            &Action::Unname(directory, name.name.clone()),
            |files| files.remove_directory(directory, &name.name),
        )
    }

    /// `unlink` of POSIX; a directory gives `EISDIR`, as on Linux.
    pub(crate) fn unlink_path(&self, path: &[u8]) -> Outcome<()> {
        let turn = self.rv6().take_turn();
        let (resolver, start) = self.resolver()?;
        let name = match resolver.resolve_name(&start, path) {
            Err(Errno::EBUSY) => return Err(Errno::EISDIR),
            other => other?,
        };
        let place = resolver.step(&name.directory, &name.name)?;
        if place.kind == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        if name.must_be_directory {
            return Err(Errno::ENOTDIR);
        }
        if let Node::Disk(inode) = place.node {
            self.rv6().forget_image(inode);
        }
        let directory = disk_directory(&name)?;
        turn.change(
            self,
            &Action::Unname(directory, name.name.clone()),
            |files| files.unlink(directory, &name.name),
        )
    }

    /// `link` of POSIX; a symbolic link gets the second name itself.
    pub(crate) fn link_path(&self, path: &[u8], new_path: &[u8]) -> Outcome<()> {
        let turn = self.rv6().take_turn();
        let (resolver, start) = self.resolver()?;
        let place = resolver.resolve_link(&start, path)?;
        if place.kind == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        let name = free_name(resolver, &start, new_path)?;
        if name.must_be_directory {
            return Err(Errno::ENOENT);
        }
        let Node::Disk(inode) = place.node else {
            return Err(Errno::EXDEV);
        };
        let directory = disk_directory(&name)?;
        turn.change(self, &Action::Name(directory, name.name.clone()), |files| {
            files.link(inode, directory, &name.name)
        })
    }

    /// `symlink` of POSIX.
    pub(crate) fn make_symlink(&self, target: &[u8], path: &[u8]) -> Outcome<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let turn = self.rv6().take_turn();
        let (resolver, start) = self.resolver()?;
        let name = free_name(resolver, &start, path)?;
        if name.must_be_directory {
            return Err(Errno::ENOENT);
        }
        let directory = disk_directory(&name)?;
        turn.change(self, &Action::Name(directory, name.name.clone()), |files| {
            files.symlink(directory, &name.name, target)
        })
    }

    /// `rename` of POSIX.
    pub(crate) fn rename_path(&self, path: &[u8], new_path: &[u8]) -> Outcome<()> {
        let turn = self.rv6().take_turn();
        let (resolver, start) = self.resolver()?;
        let from = resolver.resolve_name(&start, path)?;
        let to = resolver.resolve_name(&start, new_path)?;
        for name in [&from.name, &to.name] {
            if matches!(&**name, b"." | b"..") {
                return Err(Errno::EINVAL);
            }
        }
        let place = resolver.step(&from.directory, &from.name)?;
        let is_directory = place.kind == FileKind::Directory;
        if (from.must_be_directory || to.must_be_directory) && !is_directory {
            return Err(Errno::ENOTDIR);
        }
        let replaced = resolver.step(&to.directory, &to.name);
        let is_devices = |place: &Place| place.node == Node::Devices;
        if is_devices(&place) || replaced.as_ref().is_ok_and(is_devices) {
            return Err(Errno::EBUSY);
        }
        let (from_directory, to_directory) = (disk_directory(&from)?, disk_directory(&to)?);
        turn.change(
            self,
            &Action::Rename {
                from: (from_directory, from.name.clone()),
                to: (to_directory, to.name.clone()),
                renamed: inode_at(&place),
                replaced: replaced.as_ref().ok().and_then(inode_at),
            },
            |files| files.rename(from_directory, &from.name, to_directory, &to.name),
        )
    }
}

impl ProcessState {
    fn open_object(&self, place: Place, access: Access, flags: u32) -> Outcome<Object> {
        let has = |flag| flags & flag != 0;
        if has(OpenFlags::DIRECTORY) && place.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let disk = self.rv6().disk();
        match (place.node, place.kind) {
            (_, FileKind::Directory) if access.can_write || has(OpenFlags::CREATE) => {
                Err(Errno::EISDIR)
            }
            (Node::Device(device), _) => Ok(Object::Device(device)),
            (Node::Devices, _) => Ok(Object::Directory(place, None)),
            (Node::Disk(inode), FileKind::Directory) => {
                Ok(Object::Directory(place, Some(disk.hold(inode)?)))
            }
            (Node::Disk(inode), FileKind::Regular) => {
                let held = disk.hold(inode)?;
                if access.can_write {
                    self.rv6().forget_image(inode);
                    if has(OpenFlags::TRUNCATE) {
                        held.truncate(0)?;
                    }
                }
                Ok(Object::File(held))
            }
            (Node::Disk(_), FileKind::Symlink) => Err(Errno::ELOOP),
            (Node::Disk(_), _) => Err(Errno::ENXIO),
        }
    }

    /// `stat` and `lstat` of POSIX.
    pub(crate) fn attributes_of(&self, path: &[u8], follows: bool) -> Outcome<Attributes> {
        let (resolver, start) = self.resolver()?;
        let place = match follows {
            true => resolver.resolve(&start, path)?,
            false => resolver.resolve_link(&start, path)?,
        };
        let time_s = self.rv6().started_s();
        match place.node {
            Node::Disk(inode) => self.rv6().disk().attributes(inode),
            Node::Devices => Ok(device::directory_attributes(time_s)),
            Node::Device(device) => Ok(device.attributes(time_s)),
        }
    }

    /// The inode on the disk that a path leads to.
    pub(crate) fn inode_of(&self, path: &[u8]) -> Outcome<Inode> {
        let (resolver, start) = self.resolver()?;
        match resolver.resolve(&start, path)?.node {
            Node::Disk(inode) => Ok(inode),
            Node::Devices | Node::Device(_) => Err(Errno::EPERM),
        }
    }

    /// `truncate` of POSIX.
    pub(crate) fn truncate_path(&self, path: &[u8], size: u64) -> Outcome<()> {
        let (resolver, start) = self.resolver()?;
        let place = resolver.resolve(&start, path)?;
        match (place.node, place.kind) {
            (_, FileKind::Directory) => Err(Errno::EISDIR),
            (Node::Disk(inode), FileKind::Regular) => {
                self.rv6().forget_image(inode);
                flatten(self.rv6().disk().files().truncate(inode, size))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// `readlink` of POSIX.
    pub(crate) fn link_target(&self, path: &[u8]) -> Outcome<Vec<u8>> {
        let (resolver, start) = self.resolver()?;
        let place = resolver.resolve_link(&start, path)?;
        match (place.node, place.kind) {
            (Node::Disk(inode), FileKind::Symlink) => self.rv6().disk().read_link(inode),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// The name `path` stands for, which must not be taken.
fn free_name(resolver: Resolver<'_>, start: &Place, path: &[u8]) -> Outcome<Name> {
    let name = match resolver.resolve_name(start, path) {
        Err(Errno::EBUSY) => return Err(Errno::EEXIST),
        other => other?,
    };
    match resolver.step(&name.directory, &name.name) {
        Ok(_) => Err(Errno::EEXIST),
        Err(Errno::ENOENT) => Ok(name),
        Err(error) => Err(error),
    }
}

const fn inode_at(place: &Place) -> Option<Inode> {
    match place.node {
        Node::Disk(inode) => Some(inode),
        Node::Devices | Node::Device(_) => None,
    }
}

/// The directory of a name, which must be on the disk to be changed.
const fn disk_directory(name: &Name) -> Outcome<Inode> {
    match name.directory.node {
        Node::Disk(inode) => Ok(inode),
        Node::Devices | Node::Device(_) => Err(Errno::EROFS),
    }
}
