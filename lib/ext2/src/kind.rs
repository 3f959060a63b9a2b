//! What an inode is: the type bits of its mode, the type byte of a record.

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file with contents.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Kind, type nibble of the mode, type byte of a directory record.
const CODES: [(FileKind, u16, u8); 7] = [
    (FileKind::Regular, 0x8, 1),
    (FileKind::Directory, 0x4, 2),
    (FileKind::CharacterDevice, 0x2, 3),
    (FileKind::BlockDevice, 0x6, 4),
    (FileKind::Fifo, 0x1, 5),
    (FileKind::Socket, 0xC, 6),
    (FileKind::Symlink, 0xA, 7),
];

impl FileKind {
    pub(crate) fn of_mode(mode: u16) -> Option<Self> {
        CODES
            .iter()
            .find(|(_, nibble, _)| mode >> 12 == *nibble)
            .map(|(kind, _, _)| *kind)
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        CODES
            .iter()
            .find(|(_, _, known)| code == *known)
            .map(|(kind, _, _)| *kind)
    }

    pub(crate) fn mode_bits(self) -> u16 {
        let row = CODES.iter().find(|(kind, _, _)| *kind == self);
        row.map_or(0, |(_, nibble, _)| nibble << 12)
    }

    pub(crate) fn code(self) -> u8 {
        let row = CODES.iter().find(|(kind, _, _)| *kind == self);
        row.map_or(0, |(_, _, code)| *code)
    }
}
