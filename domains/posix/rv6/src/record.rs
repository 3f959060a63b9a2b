//! How what outlives Rv6 is written down: keys, and the bytes of each piece.
//!
//! Numbers are little-endian; bytes of variable length have their length, four
//! bytes, in front. Whoever reads a record gets nothing unless every byte makes
//! sense.

use alloc::vec::Vec;

use interfaces::files::Inode;
use interfaces::process::LANE_MAX;

mod bytes;
mod object;
mod process;

use bytes::{Reader, Writer};
pub use object::{OpenObject, OpenRecord, PipeRecord, TerminalRecord};
pub use process::{
    LastCall, ProcessRecord, decode_descriptors, decode_place, encode_descriptors, encode_place,
};

/// Version of all of this. Another one's state is refused.
pub const VERSION: u32 = 4;

/// What a piece is: the top byte of its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Kind {
    /// 0: [`SystemRecord`]; 1: the number of the newest process.
    System = 1,
    /// A process, by its number: [`ProcessRecord`].
    Process = 2,
    /// The working directory of a process: a [`crate::path::Place`].
    Directory = 3,
    /// The descriptors of a process.
    Descriptors = 4,
    /// The last finished call of a process, for each of its lanes: [`LastCall`].
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

/// Bits of a lane's number.
const LANE_BITS: u32 = 8;

/// The key of the last finished call of a process's lane.
#[must_use]
pub const fn call_key(pid: u32, lane: usize) -> u64 {
    key(Kind::LastCall, (pid as u64) << LANE_BITS | lane as u64)
}

/// The process and lane of a finished call, from the number in its key.
#[must_use]
pub fn call_of(number: u64) -> Option<(u32, usize)> {
    let pid = u32::try_from(number >> LANE_BITS).ok()?;
    let lane = usize::try_from(number & ((1 << LANE_BITS) - 1)).ok()?;
    (lane < LANE_MAX).then_some((pid, lane))
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

/// What there is once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemRecord {
    /// When the system was started, seconds since 1970 UTC.
    pub started_s: u64,
    /// Process that the interrupt key ends; 0: none.
    pub foreground: u32,
    /// The key was pressed, and has ended nothing yet.
    pub is_interrupted: bool,
}

impl SystemRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::default().u32(VERSION).u64(self.started_s);
        writer.u32(self.foreground).flag(self.is_interrupted).0
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
            is_interrupted: reader.flag()?,
        };
        reader.end(record)
    }
}

/// A single number from bytes.
#[must_use]
pub fn decode_number(bytes: &[u8]) -> Option<u64> {
    let mut reader = Reader(bytes);
    let number = reader.u64()?;
    reader.end(number)
}

/// A change of files that cannot be made twice, and what was there before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// Process whose call it is.
    pub pid: u32,
    /// Lane of the call.
    pub lane: usize,
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
        let writer = Writer::default().u32(self.pid).lane(self.lane);
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
        let lane = reader.lane()?;
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
        reader.end(Self { pid, lane, action })
    }
}

fn read_name(reader: &mut Reader<'_>) -> Option<(Inode, Vec<u8>)> {
    Some((Inode(reader.u64()?), reader.bytes()?))
}
