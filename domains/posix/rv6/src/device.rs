//! The devices in `/dev`, a directory that exists whatever lies on the disk.

use interfaces::files::{Attributes, DirectoryEntry, FileKind, FileName, Inode, NAME_MAX};

/// A character device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The terminal.
    Console,
    /// The terminal's side for error messages.
    Errors,
    /// Swallows everything, is always at its end.
    Null,
    /// Endless zero bytes.
    Zero,
    /// Endless random bytes.
    Random,
}

/// Name of the directory, in the root directory.
pub const DIRECTORY_NAME: &[u8] = b"dev";

/// Inode numbers of `/dev` and what is in it; no disk reaches so far.
const FIRST_INODE: u64 = 0xffff_ffff_0000_0000;

impl Device {
    /// All of them, in the order `ls -U /dev` shows.
    pub const ALL: [Self; 5] = [
        Self::Console,
        Self::Errors,
        Self::Null,
        Self::Zero,
        Self::Random,
    ];

    /// Its name in `/dev`.
    #[must_use]
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Console => b"console",
            Self::Errors => b"stderr",
            Self::Null => b"null",
            Self::Zero => b"zero",
            Self::Random => b"random",
        }
    }

    /// The device of that name. `tty` and `urandom` are names other systems use.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"tty" => Some(Self::Console),
            b"urandom" => Some(Self::Random),
            _ => Self::ALL.into_iter().find(|device| device.name() == name),
        }
    }

    /// Its inode number.
    #[must_use]
    pub const fn inode(self) -> Inode {
        Inode(FIRST_INODE + 1 + self as u64)
    }

    /// What `stat` says of it; `time_s` is when the system was started.
    #[must_use]
    pub fn attributes(self, time_s: i64) -> Attributes {
        synthetic(self.inode(), FileKind::CharacterDevice, 0o666, 1, time_s)
    }
}

/// What `stat` says of `/dev`.
#[must_use]
pub fn directory_attributes(time_s: i64) -> Attributes {
    synthetic(Inode(FIRST_INODE), FileKind::Directory, 0o755, 2, time_s)
}

/// Attributes of something that is on no disk.
#[must_use]
pub fn synthetic(inode: Inode, kind: FileKind, mode: u32, links: u32, time_s: i64) -> Attributes {
    Attributes {
        inode,
        kind,
        mode,
        links,
        uid: 0,
        gid: 0,
        block_bytes: 4096,
        size: 0,
        blocks: 0,
        accessed_s: time_s,
        modified_s: time_s,
        changed_s: time_s,
    }
}

/// Entry `position` of `/dev`, whose parent is `root`.
#[must_use]
pub fn entry(position: u64, root: Inode) -> Option<DirectoryEntry> {
    let (inode, kind, name): (_, _, &[u8]) = match position {
        0 => (Inode(FIRST_INODE), FileKind::Directory, b"."),
        1 => (root, FileKind::Directory, b".."),
        _ => {
            let index = usize::try_from(position - 2).ok()?;
            let device = *Device::ALL.get(index)?;
            (device.inode(), FileKind::CharacterDevice, device.name())
        }
    };
    Some(directory_entry(inode, kind, name, position + 1))
}

/// The entry for `/dev` itself, for a root directory that has none.
#[must_use]
pub fn mount_entry(next: u64) -> DirectoryEntry {
    directory_entry(
        Inode(FIRST_INODE),
        FileKind::Directory,
        DIRECTORY_NAME,
        next,
    )
}

/// A directory entry; `name` is at most [`NAME_MAX`] bytes, the rest is cut.
#[must_use]
pub fn directory_entry(inode: Inode, kind: FileKind, name: &[u8], next: u64) -> DirectoryEntry {
    let length = name.len().min(NAME_MAX);
    let mut bytes = [0; NAME_MAX];
    bytes[..length].copy_from_slice(&name[..length]);
    let length = u32::try_from(length).unwrap_or(0);
    DirectoryEntry {
        inode,
        kind: kind as u32,
        name: FileName { length, bytes },
        next,
    }
}
