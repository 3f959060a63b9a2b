//! Memory: what a shell keeps and collects stays below its quota.
//!
//! A program that prints without end, or a script that doubles a variable, is an error
//! of one command and not the end of the shell. Each step of it takes at most eight
//! times [`room`], which shrinks as the shell keeps more; and what it keeps (variables,
//! functions, aliases, arguments of functions) becomes no more once it is [`KEPT`].
//!
//! ```text
//! 0              KEPT        HELD                        quota
//! |--- kept -----|------ steps ---|-- image, stacks, waste --|
//! ```

use posix::io::{self, Read};
use posix::prelude::*;
use posix::process::Errno;
use posix::{fs, memory};
use shell_language::ParseError;

/// Bytes that are kept at most. A domain has a quota of 64 MiB if nothing else is said.
const KEPT: usize = 24 << 20;

/// Bytes in use at most, but for steps within steps of [`LEAST_ROOM`].
const HELD: usize = 40 << 20;

/// Bytes for the words of a command in a shell that keeps little.
const MOST_ROOM: usize = 4 << 20;

/// Bytes for them in one that keeps much: what frees memory can still be said.
const LEAST_ROOM: usize = 64 << 10;

/// Times its room that a step takes, see [`shell_language::Environment::room`].
const STEP: usize = 8;

/// Bytes of the longest line that `read` takes: a character takes eight.
pub const LINE: usize = 512 << 10;

/// Bytes that the words of a command may come to now.
pub fn room() -> usize {
    (HELD.saturating_sub(memory::used()) / STEP).clamp(LEAST_ROOM, MOST_ROOM)
}

/// Whether so many more bytes may be kept.
pub fn may_keep(bytes: usize) -> bool {
    memory::used().saturating_add(bytes) <= KEPT
}

/// Reads to the end, unless that is more than `limit` bytes.
///
/// # Errors
/// `EFBIG`, or as `read`.
pub fn read_to_end(reader: &mut impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = reader.read(&mut piece)?;
        if count == 0 {
            return Ok(bytes);
        }
        if count > limit - bytes.len() {
            return Err(Errno::EFBIG.into());
        }
        if bytes.capacity() - bytes.len() < count {
            // Doubling could be twice what is allowed.
            let more = bytes.len().max(count).min(limit - bytes.len());
            let reserved = bytes.try_reserve_exact(more);
            reserved.map_err(|_| io::Error::from(Errno::ENOMEM))?;
        }
        bytes.extend_from_slice(&piece[..count]);
    }
}

/// Everything in a file, as text that can be parsed.
///
/// # Errors
/// `EFBIG` if that is longer, or as `open` and `read`.
pub fn read_script(path: &str) -> io::Result<String> {
    let bytes = read_to_end(&mut fs::File::open(path)?, ParseError::TEXT_LIMIT)?;
    text(bytes, ParseError::TEXT_LIMIT).ok_or(Errno::EFBIG.into())
}

/// Bytes as text; `None` if that is longer than `limit`, as what is not UTF-8 becomes.
pub fn text(bytes: Vec<u8>, limit: usize) -> Option<String> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let replaced = if chunk.invalid().is_empty() {
            ""
        } else {
            "\u{fffd}"
        };
        if text.len() + chunk.valid().len() + replaced.len() > limit {
            return None;
        }
        text.push_str(chunk.valid());
        text.push_str(replaced);
    }
    Some(text)
}
