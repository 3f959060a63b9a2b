//! Path resolution: from bytes with slashes to a place in the tree.
//!
//! A place is an inode: names above it may change while somebody is there. What its
//! path is now, [`Resolver::path_of`] finds by looking upwards.

use alloc::vec;
use alloc::vec::Vec;

use interfaces::files::{DIRECTORY_BATCH, DirectoryEntry, FileKind, Inode, NAME_MAX};
use interfaces::process::PATH_MAX;

use crate::device::{self, Device};
use crate::disk::Disk;
use crate::errno::{Errno, Outcome, flatten};

/// Most symbolic links in one path.
const LINK_MAX: u32 = 40;

/// What a path can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// Something on the disk.
    Disk(Inode),
    /// The directory `/dev`.
    Devices,
    /// A device in it.
    Device(Device),
}

/// Where a path led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What is there.
    pub node: Node,
    /// What kind of file it is.
    pub kind: FileKind,
}

/// A name to be made, removed or renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The directory it is in.
    pub directory: Place,
    /// The last component; `.` and `..` are possible.
    pub name: Vec<u8>,
    /// A slash followed: only a directory will do.
    pub must_be_directory: bool,
}

/// What to do with the last component of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Follow,
    Keep,
    Name,
}

/// Resolves paths on a disk.
#[derive(Clone, Copy)]
pub struct Resolver<'a> {
    disk: &'a Disk,
    root: Inode,
}

/// Whether bytes are a path at all; nobody copies them before.
///
/// # Errors
/// `ENOENT`, `ENAMETOOLONG`, `EINVAL`.
pub fn check(path: &[u8]) -> Outcome<()> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if path.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    if path.contains(&0) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// One part of a path.
struct Component {
    name: Vec<u8>,
    /// Slashes followed, so it has to be a directory.
    has_slash: bool,
}

/// What is left of a path during a walk.
struct Walk {
    place: Place,
    /// Components not yet walked, with their slashes.
    rest: Vec<u8>,
    links: u32,
}

impl<'a> Resolver<'a> {
    /// A resolver for `disk`.
    ///
    /// # Errors
    /// As the file system, asked for its root.
    pub fn new(disk: &'a Disk) -> Outcome<Self> {
        Ok(Self {
            disk,
            root: disk.root()?,
        })
    }

    /// The root directory's inode.
    #[must_use]
    pub const fn root_inode(&self) -> Inode {
        self.root
    }

    /// The root directory.
    #[must_use]
    pub const fn root(&self) -> Place {
        Place {
            node: Node::Disk(self.root),
            kind: FileKind::Directory,
        }
    }

    /// Where `path` leads, through a symbolic link at its end.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, or as the file system.
    pub fn resolve(&self, start: &Place, path: &[u8]) -> Outcome<Place> {
        self.walk(start, path, Last::Follow).map(|(place, _)| place)
    }

    /// Where `path` leads, a symbolic link at its end being the answer itself.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_link(&self, start: &Place, path: &[u8]) -> Outcome<Place> {
        self.walk(start, path, Last::Keep).map(|(place, _)| place)
    }

    /// The directory and last component of `path`, which need not exist.
    ///
    /// # Errors
    /// As [`Self::resolve`]; `EBUSY` for the root directory, which has no name.
    pub fn resolve_name(&self, start: &Place, path: &[u8]) -> Outcome<Name> {
        match self.walk(start, path, Last::Name)? {
            (directory, Some(Component { name, has_slash })) => Ok(Name {
                directory,
                name,
                must_be_directory: has_slash,
            }),
            (_, None) => Err(Errno::EBUSY),
        }
    }

    /// Where a name leads, without following it.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn step(&self, directory: &Place, name: &[u8]) -> Outcome<Place> {
        if directory.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let node = match directory.node {
            Node::Device(_) => return Err(Errno::ENOTDIR),
            Node::Devices => match name {
                b"." => Node::Devices,
                b".." => Node::Disk(self.root),
                _ => Node::Device(Device::by_name(name).ok_or(Errno::ENOENT)?),
            },
            Node::Disk(inode) if inode == self.root && name == device::DIRECTORY_NAME => {
                Node::Devices
            }
            Node::Disk(inode) => Node::Disk(self.disk.lookup(inode, name)?),
        };
        Ok(Place {
            node,
            kind: self.kind(node)?,
        })
    }

    /// The absolute path of a directory, without symbolic links.
    ///
    /// # Errors
    /// `ENOENT` if it was removed, `ENAMETOOLONG`, or as the file system.
    pub fn path_of(&self, place: &Place) -> Outcome<Vec<u8>> {
        let Node::Disk(mut inode) = place.node else {
            return Ok([b"/", device::DIRECTORY_NAME].concat());
        };
        // From its end.
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut length = 0;
        while inode != self.root {
            let parent = self.disk.lookup(inode, b"..")?;
            let name = self.name_in(parent, inode)?;
            length += 1 + name.len();
            if length >= PATH_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            names.push(name);
            inode = parent;
        }
        if names.is_empty() {
            return Ok(b"/".to_vec());
        }
        let parts = names.iter().rev().flat_map(|name| [b"/".as_slice(), name]);
        Ok(parts.collect::<Vec<_>>().concat())
    }

    /// What a directory is called in its parent.
    fn name_in(&self, parent: Inode, directory: Inode) -> Outcome<Vec<u8>> {
        let mut entries =
            vec![device::directory_entry(Inode(0), FileKind::Directory, b"", 0); DIRECTORY_BATCH];
        let mut cookie = 0;
        loop {
            let answer = self
                .disk
                .files()
                .read_directory(parent, cookie, &mut entries);
            let count = usize::try_from(flatten(answer)?).unwrap_or(0);
            let Some(last) = entries.iter().take(count).next_back() else {
                return Err(Errno::ENOENT);
            };
            cookie = last.next;
            let mut found = entries
                .iter()
                .take(count)
                .filter(|entry| entry.inode == directory);
            let is_name = |name: &&[u8]| !matches!(*name, b"." | b"..");
            if let Some(name) = found.find_map(|entry| Some(name_of(entry)).filter(is_name)) {
                return Ok(name.to_vec());
            }
        }
    }

    fn kind(&self, node: Node) -> Outcome<FileKind> {
        Ok(match node {
            Node::Disk(inode) => self.disk.attributes(inode)?.kind,
            Node::Devices => FileKind::Directory,
            Node::Device(_) => FileKind::CharacterDevice,
        })
    }

    fn walk(&self, start: &Place, path: &[u8], last: Last) -> Outcome<(Place, Option<Component>)> {
        let mut walk = self.begin(start, path)?;
        loop {
            let Some(component) = take_component(&mut walk.rest)? else {
                return Ok((walk.place, None));
            };
            let is_last = walk.rest.is_empty();
            if is_last && last == Last::Name {
                if walk.place.kind != FileKind::Directory {
                    return Err(Errno::ENOTDIR);
                }
                return Ok((walk.place, Some(component)));
            }
            let Component { name, has_slash } = component;
            let place = self.step(&walk.place, &name)?;
            let follows = !is_last || has_slash || last == Last::Follow;
            if place.kind == FileKind::Symlink && follows {
                self.follow(&mut walk, &place, has_slash)?;
            } else if has_slash && place.kind != FileKind::Directory {
                return Err(Errno::ENOTDIR);
            } else {
                walk.place = place;
            }
        }
    }

    fn begin(&self, start: &Place, path: &[u8]) -> Outcome<Walk> {
        check(path)?;
        let place = if path[0] == b'/' { self.root() } else { *start };
        Ok(Walk {
            place,
            rest: path.to_vec(),
            links: 0,
        })
    }

    /// Puts a symbolic link's target in front of what is left.
    fn follow(&self, walk: &mut Walk, link: &Place, has_slash: bool) -> Outcome<()> {
        walk.links += 1;
        if walk.links > LINK_MAX {
            return Err(Errno::ELOOP);
        }
        let Node::Disk(inode) = link.node else {
            return Err(Errno::EINVAL);
        };
        let mut rest = self.disk.read_link(inode)?;
        if rest.is_empty() {
            return Err(Errno::ENOENT);
        }
        if rest[0] == b'/' {
            walk.place = self.root();
        }
        if has_slash {
            rest.push(b'/');
        }
        rest.extend_from_slice(&walk.rest);
        if rest.len() >= 2 * PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        walk.rest = rest;
        Ok(())
    }
}

fn name_of(entry: &DirectoryEntry) -> &[u8] {
    let length = usize::try_from(entry.name.length).unwrap_or(0);
    &entry.name.bytes[..length.min(NAME_MAX)]
}

/// Takes the first component and the slashes behind it; whether there were any.
fn take_component(rest: &mut Vec<u8>) -> Outcome<Option<Component>> {
    let start = rest
        .iter()
        .position(|byte| *byte != b'/')
        .unwrap_or(rest.len());
    let after = &rest[start..];
    if after.is_empty() {
        rest.clear();
        return Ok(None);
    }
    let length = after
        .iter()
        .position(|byte| *byte == b'/')
        .unwrap_or(after.len());
    if length > NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let name = after[..length].to_vec();
    let slashes = after[length..]
        .iter()
        .take_while(|byte| **byte == b'/')
        .count();
    rest.drain(..start + length + slashes);
    Ok(Some(Component {
        name,
        has_slash: slashes > 0,
    }))
}
