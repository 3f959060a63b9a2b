//! What is written down of open files, pipes and the terminal.

use alloc::vec::Vec;

use interfaces::files::Inode;

use super::bytes::{Reader, Writer};
use super::process::{read_place, write_place};
use crate::device::Device;
use crate::open_file::Access;
use crate::path::Place;

/// What was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenObject {
    /// A file on the disk.
    File(Inode),
    /// A directory.
    Directory(Place),
    /// A device.
    Device(Device),
    /// The reading end of the pipe with this number.
    PipeReader(u64),
    /// The writing end.
    PipeWriter(u64),
}

/// An open file, but for its offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenRecord {
    /// What was opened.
    pub object: OpenObject,
    /// What may be done.
    pub access: Access,
}

impl OpenRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let access = self.access;
        let writer = Writer::default()
            .flag(access.can_read)
            .flag(access.can_write)
            .flag(access.appends);
        match &self.object {
            OpenObject::File(inode) => writer.byte(0).u64(inode.0).0,
            OpenObject::Directory(place) => write_place(writer.byte(1), place).0,
            OpenObject::Device(device) => writer.byte(2).byte(*device as u8).0,
            OpenObject::PipeReader(pipe) => writer.byte(3).u64(*pipe).0,
            OpenObject::PipeWriter(pipe) => writer.byte(4).u64(*pipe).0,
        }
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let access = Access {
            can_read: reader.flag()?,
            can_write: reader.flag()?,
            appends: reader.flag()?,
        };
        let object = match reader.byte()? {
            0 => OpenObject::File(Inode(reader.u64()?)),
            1 => OpenObject::Directory(read_place(&mut reader)?),
            2 => OpenObject::Device(device(reader.byte()?)?),
            3 => OpenObject::PipeReader(reader.u64()?),
            4 => OpenObject::PipeWriter(reader.u64()?),
            _ => return None,
        };
        reader.end(Self { object, access })
    }
}

fn device(number: u8) -> Option<Device> {
    Device::ALL
        .into_iter()
        .find(|device| *device as u8 == number)
}

/// How far a pipe has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PipeRecord {
    /// Number of its oldest chunk, or of the next one written.
    pub first: u64,
    /// Bytes of that chunk that have been read.
    pub skip: u64,
}

impl PipeRecord {
    /// As bytes, which need no memory.
    #[must_use]
    pub fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.first.to_le_bytes());
        bytes[8..].copy_from_slice(&self.skip.to_le_bytes());
        bytes
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let record = Self {
            first: reader.u64()?,
            skip: reader.u64()?,
        };
        reader.end(record)
    }
}

/// The terminal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TerminalRecord {
    /// Lines are edited.
    pub is_canonical: bool,
    /// What was typed of a line.
    pub line: Vec<u8>,
    /// Finished pieces of input.
    pub ready: Vec<Vec<u8>>,
    /// Bytes of the console's input that were taken since boot.
    pub taken: u64,
}

impl TerminalRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::default()
            .u64(self.taken)
            .flag(self.is_canonical)
            .bytes(&self.line);
        let pieces = self.ready.iter();
        pieces.fold(writer, |writer, piece| writer.bytes(piece)).0
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut record = Self {
            taken: reader.u64()?,
            is_canonical: reader.flag()?,
            line: reader.bytes()?,
            ready: Vec::new(),
        };
        while !reader.0.is_empty() {
            record.ready.push(reader.bytes()?);
        }
        Some(record)
    }
}
