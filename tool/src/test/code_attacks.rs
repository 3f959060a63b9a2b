//! Attacks on signing: machine code and notes that the tool must not sign.
//!
//! The table is `tests/attacks/code.toml`; its head documents the fields. Each row
//! puts its bytes where a program that was built begins, as a tampered object file or
//! a bug of the compiler would, and has the program signed as a build does.

use std::fs;
use std::time::Instant;

use domain_image::Layout;
use iced_x86::{Decoder, DecoderOptions};
use serde::Deserialize;

use super::{Counts, Speed, TestError, commands};
use crate::build;
use crate::cli::Machine;
use crate::error::ToolError;
use crate::tree::Tree;

/// The table, relative to the tree.
const TABLE: &str = "tests/attacks/code.toml";

/// The system whose programs are attacked.
const SYSTEM: &str = "rv6";

/// First bytes of a note.
const NOTE_MAGIC: &[u8] = b"RLDOMN01";

/// The program that is.
const PROGRAM: &str = "echo";

/// The table's top level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    attack: Vec<Attack>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    name: String,
    /// Code, hexadecimal.
    #[serde(default)]
    bytes: String,
    /// A text in the image's note, and what takes its place.
    note: Option<(String, String)>,
    /// Offset in the note of a byte of which a bit is another.
    flip: Option<usize>,
    /// Pattern of the one line that refuses it; none: it is signed.
    refused: Option<String>,
}

/// The names of all.
///
/// # Errors
/// [`TestError::Table`] or [`ToolError::File`].
pub fn names(tree: &Tree) -> Result<Vec<String>, ToolError> {
    let attacks = read(tree)?;
    Ok(attacks
        .iter()
        .map(|(attack, _)| attack.full_name())
        .collect())
}

/// Makes every attack that is wanted, and reports each.
///
/// # Errors
/// [`TestError::Table`], or any [`ToolError`] that keeps attacks from being made.
pub fn run(tree: &Tree, is_wanted: impl Fn(Speed, &str) -> bool) -> Result<Counts, ToolError> {
    let mut wanted = read(tree)?;
    wanted.retain(|(attack, _)| is_wanted(Speed::Quick, &attack.full_name()));
    let mut counts = Counts::default();
    if wanted.is_empty() {
        return Ok(counts);
    }
    build::build(tree, SYSTEM, Machine::Hosted)?;
    let folder = tempfile::tempdir().map_err(ToolError::file("make", &std::env::temp_dir()))?;
    for (attack, bytes) in &wanted {
        let begin = Instant::now();
        let signed = build::sign_changed(tree, PROGRAM, folder.path(), |elf| {
            patch(elf, bytes);
            if let Some((old, new)) = &attack.note {
                replace(note(elf), old.as_bytes(), new.as_bytes());
            }
            if let Some(byte) = attack.flip.and_then(|flip| note(elf).get_mut(flip)) {
                *byte ^= 1;
            }
        });
        let failures = attack.judge(signed.map_err(|error| error.to_string()));
        let time = begin.elapsed().as_secs_f64();
        counts.add(super::report(time, &attack.full_name(), &failures));
    }
    Ok(counts)
}

fn read(tree: &Tree) -> Result<Vec<(Attack, Vec<u8>)>, ToolError> {
    let path = tree.path(TABLE);
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    Ok(parse(&text)?)
}

fn parse(text: &str) -> Result<Vec<(Attack, Vec<u8>)>, TestError> {
    let failed = |message: String| TestError::Table {
        file: TABLE,
        message,
    };
    let table: Table =
        toml::from_str(text).map_err(|error| failed(error.to_string().trim().to_owned()))?;
    let read = |attack: Attack| {
        let bytes = attack.bytes.split_whitespace();
        let bytes: Result<Vec<u8>, _> = bytes.map(|byte| u8::from_str_radix(byte, 16)).collect();
        match bytes {
            Ok(bytes) => Ok((attack, bytes)),
            Err(error) => Err(failed(format!("{}: {error}", attack.name))),
        }
    };
    table.attack.into_iter().map(read).collect()
}

/// Puts code where an image begins, and fills up to the next instruction with `nop`.
fn patch(elf: &mut [u8], code: &[u8]) {
    let Ok(layout) = Layout::parse(elf) else {
        return;
    };
    let segments = layout.segments();
    let Some(segment) = segments
        .iter()
        .rev()
        .find(|found| found.address <= layout.entry())
    else {
        return;
    };
    let offset = usize::try_from(segment.file_offset + layout.entry() - segment.address);
    let Some(place) = offset.ok().and_then(|offset| elf.get_mut(offset..)) else {
        return;
    };
    let instructions = Decoder::new(64, place, DecoderOptions::NONE).into_iter();
    let mut length = 0;
    for instruction in instructions {
        if length >= code.len() {
            break;
        }
        length += instruction.len();
    }
    for (index, byte) in place.iter_mut().take(length).enumerate() {
        *byte = code.get(index).copied().unwrap_or(0x90);
    }
}

/// The image from its note on.
fn note(elf: &mut [u8]) -> &mut [u8] {
    let start = elf
        .windows(NOTE_MAGIC.len())
        .position(|window| window == NOTE_MAGIC);
    start
        .and_then(|start| elf.get_mut(start..))
        .unwrap_or_default()
}

/// Replaces a text by one of its length.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let place = bytes.windows(old.len()).position(|window| window == old);
    let place = place.and_then(|place| bytes.get_mut(place..));
    let pairs = place.into_iter().flatten().zip(new);
    pairs.for_each(|(byte, new)| *byte = *new);
}

impl Attack {
    fn full_name(&self) -> String {
        format!("wall: signing: {}", self.name)
    }

    /// What went wrong.
    fn judge(&self, signed: Result<(), String>) -> Vec<String> {
        match (&self.refused, signed) {
            (Some(pattern), Err(line)) if commands::matches(pattern, &line) => Vec::new(),
            (None, Ok(())) => Vec::new(),
            (expected, found) => vec![format!("expected {expected:?}, found {found:?}")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_refuses_is_expected() {
        let table = "[[attack]]\nname = \"a\"\nbytes = \"0f 30\"\nrefused = \"only\"\n";
        let attacks = parse(table).unwrap();
        let (attack, bytes) = &attacks[0];
        assert_eq!(bytes, &[0x0f, 0x30]);
        assert!(attack.judge(Err("only a kernel".to_owned())).is_empty());
        assert!(!attack.judge(Err("another line".to_owned())).is_empty());
        assert!(!attack.judge(Ok(())).is_empty());
        assert!(parse(&table.replace("30", "3x")).is_err());
    }
}
