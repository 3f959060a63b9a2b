//! What is written down of a process.

use alloc::string::String;
use alloc::vec::Vec;

use interfaces::files::{FileKind, Inode};

use super::bytes::{Reader, Writer};
use crate::path::{Node, Place};

/// A process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessRecord {
    /// Number of its parent.
    pub parent: u32,
    /// Lane of its parent's call that started it.
    pub lane: usize,
    /// Number of the process that its job began with.
    pub job: u32,
    /// Its parent ended first.
    pub is_adopted: bool,
    /// It may administer the system.
    pub may_administer: bool,
    /// Cause for which another process, the interrupt key or a limit ends it; 0: none
    /// does.
    pub kill: u32,
    /// The interrupt key does.
    pub is_interrupted: bool,
    /// Status and cause, once it has ended.
    pub ended: Option<(u32, u32)>,
    /// Its domain; 0 while it is being started.
    pub domain: u64,
    /// When it was started, nanoseconds since boot.
    pub started_ns: u64,
    /// The name of its domain.
    pub name: String,
    /// The start of its command line.
    pub command: Vec<u8>,
}

/// Most bytes of a command line that are shown.
const COMMAND_MAX: usize = 60;

impl ProcessRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (status, cause) = self.ended.unwrap_or_default();
        Writer::default()
            .u32(self.parent)
            .lane(self.lane)
            .u32(self.job)
            .flag(self.is_adopted)
            .flag(self.may_administer)
            .u32(self.kill)
            .flag(self.is_interrupted)
            .flag(self.ended.is_some())
            .u32(status)
            .u32(cause)
            .u64(self.domain)
            .u64(self.started_ns)
            .bytes(self.name.as_bytes())
            .bytes(&self.command)
            .0
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let parent = reader.u32()?;
        let lane = reader.lane()?;
        let job = reader.u32()?;
        let is_adopted = reader.flag()?;
        let may_administer = reader.flag()?;
        let kill = reader.u32()?;
        let is_interrupted = reader.flag()?;
        let has_ended = reader.flag()?;
        let ended = (reader.u32()?, reader.u32()?);
        let record = Self {
            parent,
            lane,
            job,
            is_adopted,
            may_administer,
            kill,
            is_interrupted,
            ended: has_ended.then_some(ended),
            domain: reader.u64()?,
            started_ns: reader.u64()?,
            name: String::from_utf8(reader.bytes()?).ok()?,
            command: reader.bytes()?,
        };
        let is_short = record.command.len() <= COMMAND_MAX;
        reader.end(record).filter(|_| is_short)
    }
}

/// The last call of a lane that came to its end and may not be made twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LastCall {
    /// How many there were.
    pub number: u64,
    /// What it was answered.
    pub value: [u64; 2],
    /// How far the next one has come: bytes written, or 1: the file is made.
    pub progress: u64,
}

impl LastCall {
    /// The one after it, answered with `value`.
    #[must_use]
    pub const fn next(&self, value: [u64; 2]) -> Self {
        Self {
            number: self.number + 1,
            value,
            progress: 0,
        }
    }

    /// As bytes, which need no memory.
    #[must_use]
    pub fn encode(&self) -> [u8; 32] {
        let words = [self.number, self.value[0], self.value[1], self.progress];
        let mut bytes = [0; 32];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let last = Self {
            number: reader.u64()?,
            value: [reader.u64()?, reader.u64()?],
            progress: reader.u64()?,
        };
        reader.end(last)
    }
}

/// A working directory as bytes.
#[must_use]
pub fn encode_place(place: &Place) -> Vec<u8> {
    write_place(Writer::default(), place).0
}

/// A working directory from bytes.
#[must_use]
pub fn decode_place(bytes: &[u8]) -> Option<Place> {
    let mut reader = Reader(bytes);
    let place = read_place(&mut reader)?;
    reader.end(place)
}

/// Writes a directory's place.
pub(super) fn write_place(writer: Writer, place: &Place) -> Writer {
    match place.node {
        Node::Disk(inode) => writer.byte(0).u64(inode.0),
        Node::Devices | Node::Device(_) => writer.byte(1).u64(0),
    }
}

pub(super) fn read_place(reader: &mut Reader<'_>) -> Option<Place> {
    let node = match (reader.byte()?, reader.u64()?) {
        (0, inode) => Node::Disk(Inode(inode)),
        (1, 0) => Node::Devices,
        _ => return None,
    };
    Some(Place {
        node,
        kind: FileKind::Directory,
    })
}

/// Descriptors, each with the number of the open file it refers to, as bytes.
#[must_use]
pub fn encode_descriptors(descriptors: impl Iterator<Item = (u32, u64)>) -> Vec<u8> {
    let writer = descriptors.fold(Writer::default(), |writer, (descriptor, file)| {
        writer.u32(descriptor).u64(file)
    });
    writer.0
}

/// Descriptors from bytes.
#[must_use]
pub fn decode_descriptors(bytes: &[u8]) -> Option<Vec<(u32, u64)>> {
    let mut reader = Reader(bytes);
    let mut descriptors = Vec::new();
    while !reader.0.is_empty() {
        descriptors.push((reader.u32()?, reader.u64()?));
    }
    Some(descriptors)
}
