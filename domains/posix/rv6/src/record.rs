//! How what outlives Rv6 is written down: keys, and the bytes of each piece.
//!
//! Numbers are little-endian; bytes of variable length have their length, four
//! bytes, in front. Whoever reads a record gets nothing unless every byte makes
//! sense.

use alloc::string::String;
use alloc::vec::Vec;

use interfaces::files::{FileKind, Inode};

use crate::device::Device;
use crate::open_file::Access;
use crate::path::{Node, Place};

/// Version of all of this. Another one's state is refused.
pub const VERSION: u32 = 1;

/// What a piece is: the top byte of its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Kind {
    /// 0: [`SystemRecord`]; 1: the number of the newest process.
    System = 1,
    /// A process, by its number: [`ProcessRecord`].
    Process = 2,
    /// The working directory of a process: a [`Place`].
    Directory = 3,
    /// The descriptors of a process.
    Descriptors = 4,
    /// The last finished call of a process: [`LastCall`].
    LastCall = 5,
    /// An open file: [`OpenRecord`].
    Open = 6,
    /// The offset of an open file.
    Offset = 7,
    /// What is read of a pipe: [`PipeRecord`].
    Pipe = 8,
    /// A piece of what was written to a pipe.
    Chunk = 9,
    /// An inode that is, or may be, retained.
    Held = 10,
    /// A change of files that is under way.
    Intent = 11,
    /// The terminal.
    Terminal = 12,
}

const KINDS: [Kind; 12] = [
    Kind::System,
    Kind::Process,
    Kind::Directory,
    Kind::Descriptors,
    Kind::LastCall,
    Kind::Open,
    Kind::Offset,
    Kind::Pipe,
    Kind::Chunk,
    Kind::Held,
    Kind::Intent,
    Kind::Terminal,
];

const KIND_SHIFT: u32 = 56;

/// Bits of a chunk's number. A pipe has far fewer at once, so they can begin anew.
const CHUNK_BITS: u32 = 16;

/// The key of a piece.
#[must_use]
pub const fn key(kind: Kind, number: u64) -> u64 {
    (kind as u64) << KIND_SHIFT | number
}

/// The key of a pipe's chunk.
#[must_use]
pub const fn chunk_key(pipe: u64, chunk: u64) -> u64 {
    key(Kind::Chunk, pipe << CHUNK_BITS | chunk)
}

/// The pipe and number of a chunk, from the number in its key.
#[must_use]
pub const fn chunk_of(number: u64) -> (u64, u64) {
    (number >> CHUNK_BITS, number & ((1 << CHUNK_BITS) - 1))
}

/// The number of the chunk behind the one with this number.
#[must_use]
pub const fn next_chunk(number: u64) -> u64 {
    (number + 1) & ((1 << CHUNK_BITS) - 1)
}

/// Kind and number from a key.
#[must_use]
pub fn split_key(key: u64) -> Option<(Kind, u64)> {
    let kind = u8::try_from(key >> KIND_SHIFT).ok()?;
    let kind = KINDS.into_iter().find(|known| *known as u8 == kind)?;
    Some((kind, key & ((1 << KIND_SHIFT) - 1)))
}

/// Writes records.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    fn flag(self, value: bool) -> Self {
        self.byte(u8::from(value))
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn bytes(self, value: &[u8]) -> Self {
        let mut writer = self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        writer.0.extend_from_slice(value);
        writer
    }

    fn optional(self, value: Option<u64>) -> Self {
        self.flag(value.is_some()).u64(value.unwrap_or(0))
    }
}

/// Reads records.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (own, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(own)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.u32()?).ok()?;
        Some(self.take(length)?.to_vec())
    }

    fn optional(&mut self) -> Option<Option<u64>> {
        let is_some = self.flag()?;
        let value = self.u64()?;
        Some(is_some.then_some(value))
    }

    /// `value`, if nothing is left.
    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// What there is once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemRecord {
    /// When the system was started, seconds since 1970 UTC.
    pub started_s: u64,
    /// Process that the interrupt key ends; 0: none.
    pub foreground: u32,
}

impl SystemRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::default().u32(VERSION).u64(self.started_s);
        writer.u32(self.foreground).0
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u32()? != VERSION {
            return None;
        }
        let record = Self {
            started_s: reader.u64()?,
            foreground: reader.u32()?,
        };
        reader.end(record)
    }
}

/// A process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessRecord {
    /// Number of its parent.
    pub parent: u32,
    /// Number of the process that its job began with.
    pub job: u32,
    /// Its parent ended first.
    pub is_adopted: bool,
    /// Another process, or the interrupt key, ends it.
    pub is_killed: bool,
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
            .u32(self.job)
            .flag(self.is_adopted)
            .flag(self.is_killed)
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
        let job = reader.u32()?;
        let is_adopted = reader.flag()?;
        let is_killed = reader.flag()?;
        let is_interrupted = reader.flag()?;
        let has_ended = reader.flag()?;
        let ended = (reader.u32()?, reader.u32()?);
        let record = Self {
            parent,
            job,
            is_adopted,
            is_killed,
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

/// The last call of a process that came to its end and cannot be repeated.
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
fn write_place(writer: Writer, place: &Place) -> Writer {
    let writer = match place.node {
        Node::Disk(inode) => writer.byte(0).u64(inode.0),
        Node::Devices | Node::Device(_) => writer.byte(1).u64(0),
    };
    writer.bytes(&place.path)
}

fn read_place(reader: &mut Reader<'_>) -> Option<Place> {
    let node = match (reader.byte()?, reader.u64()?) {
        (0, inode) => Node::Disk(Inode(inode)),
        (1, 0) => Node::Devices,
        _ => return None,
    };
    Some(Place {
        node,
        kind: FileKind::Directory,
        path: reader.bytes()?,
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

/// A single number from bytes.
#[must_use]
pub fn decode_number(bytes: &[u8]) -> Option<u64> {
    let mut reader = Reader(bytes);
    let number = reader.u64()?;
    reader.end(number)
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
}

impl TerminalRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::default().flag(self.is_canonical).bytes(&self.line);
        let pieces = self.ready.iter();
        pieces.fold(writer, |writer, piece| writer.bytes(piece)).0
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut record = Self {
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

/// A change of files that cannot be made twice, and what was there before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// Process whose call it is.
    pub pid: u32,
    /// What is changed.
    pub action: Action,
}

/// What is changed. A name is a directory, the name in it, and what it stood for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// A name is made that stood for nothing.
    Name(Inode, Vec<u8>),
    /// As `Name`, of a file that `open` goes on with.
    Create(Inode, Vec<u8>),
    /// A name is removed.
    Unname(Inode, Vec<u8>),
    /// A name becomes another, which stood for `replaced`.
    Rename {
        /// Directory and name before.
        from: (Inode, Vec<u8>),
        /// Directory and name afterwards.
        to: (Inode, Vec<u8>),
        /// What is renamed.
        renamed: Option<Inode>,
        /// What the other name stood for.
        replaced: Option<Inode>,
    },
    /// Bytes are appended to a file.
    Append {
        /// Number of the open file.
        file: u64,
        /// The file.
        inode: Inode,
        /// Its size before.
        size: u64,
        /// How many bytes.
        length: u64,
    },
}

impl Intent {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::default().u32(self.pid);
        match &self.action {
            Action::Name(directory, name) => writer.byte(0).u64(directory.0).bytes(name).0,
            Action::Create(directory, name) => writer.byte(1).u64(directory.0).bytes(name).0,
            Action::Unname(directory, name) => writer.byte(2).u64(directory.0).bytes(name).0,
            Action::Rename {
                from,
                to,
                renamed,
                replaced,
            } => {
                let writer = writer.byte(3).u64(from.0.0).bytes(&from.1);
                let writer = writer.u64(to.0.0).bytes(&to.1);
                let writer = writer.optional(renamed.map(|inode| inode.0));
                writer.optional(replaced.map(|inode| inode.0)).0
            }
            Action::Append {
                file,
                inode,
                size,
                length,
            } => {
                let writer = writer.byte(4).u64(*file).u64(inode.0);
                writer.u64(*size).u64(*length).0
            }
        }
    }

    /// From bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let pid = reader.u32()?;
        let kind = reader.byte()?;
        let action = match kind {
            0..=2 => {
                let (directory, name) = read_name(&mut reader)?;
                match kind {
                    0 => Action::Name(directory, name),
                    1 => Action::Create(directory, name),
                    _ => Action::Unname(directory, name),
                }
            }
            3 => Action::Rename {
                from: read_name(&mut reader)?,
                to: read_name(&mut reader)?,
                renamed: reader.optional()?.map(Inode),
                replaced: reader.optional()?.map(Inode),
            },
            4 => Action::Append {
                file: reader.u64()?,
                inode: Inode(reader.u64()?),
                size: reader.u64()?,
                length: reader.u64()?,
            },
            _ => return None,
        };
        reader.end(Self { pid, action })
    }
}

fn read_name(reader: &mut Reader<'_>) -> Option<(Inode, Vec<u8>)> {
    Some((Inode(reader.u64()?), reader.bytes()?))
}
