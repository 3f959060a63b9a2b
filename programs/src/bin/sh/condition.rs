//! The conditions of `test` and `[`.

use core::fmt;

use posix::fs::{self, FileKind, Metadata};
use posix::prelude::*;

/// Why a condition makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Something follows where nothing can.
    Unexpected(String),
    /// Something is missing behind this.
    Missing(String),
    /// This should be a number.
    NotNumber(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(word) => write!(formatter, "{word}: unexpected"),
            Self::Missing(word) => write!(formatter, "{word}: something is missing behind it"),
            Self::NotNumber(word) => write!(formatter, "{word}: not a number"),
        }
    }
}

/// Whether a condition holds.
pub fn evaluate(words: &[&str]) -> Result<bool, Wrong> {
    // POSIX decides short ones by their length, so that any word can be tested.
    match words {
        [] => return Ok(false),
        [word] => return Ok(!word.is_empty()),
        ["!", word] => return Ok(word.is_empty()),
        [left, operator, right] if is_binary(operator) => return binary(left, operator, right),
        _ => {}
    }
    let mut rest = words;
    let result = any(&mut rest)?;
    match rest.first() {
        None => Ok(result),
        Some(word) => Err(Wrong::Unexpected((*word).into())),
    }
}

fn any(rest: &mut &[&str]) -> Result<bool, Wrong> {
    let mut result = all(rest)?;
    while let ["-o", others @ ..] = rest {
        *rest = others;
        result |= all(rest)?;
    }
    Ok(result)
}

fn all(rest: &mut &[&str]) -> Result<bool, Wrong> {
    let mut result = one(rest)?;
    while let ["-a", others @ ..] = rest {
        *rest = others;
        result &= one(rest)?;
    }
    Ok(result)
}

fn one(rest: &mut &[&str]) -> Result<bool, Wrong> {
    match **rest {
        ["!", ..] => {
            *rest = &rest[1..];
            one(rest).map(|result| !result)
        }
        ["(", ..] => {
            *rest = &rest[1..];
            let result = any(rest)?;
            match rest.first() {
                Some(&")") => *rest = &rest[1..],
                Some(word) => return Err(Wrong::Unexpected((*word).into())),
                None => return Err(Wrong::Missing("(".into())),
            }
            Ok(result)
        }
        [left, operator, right, ..] if is_binary(operator) => {
            *rest = &rest[3..];
            binary(left, operator, right)
        }
        [operator, operand, ..] if is_unary(operator) => {
            *rest = &rest[2..];
            Ok(unary(operator, operand))
        }
        [word, ..] => {
            *rest = &rest[1..];
            Ok(!word.is_empty())
        }
        [] => Err(Wrong::Missing("test".into())),
    }
}

fn is_binary(word: &str) -> bool {
    const OPERATORS: [&str; 14] = [
        "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
    ];
    OPERATORS.contains(&word)
}

fn binary(left: &str, operator: &str, right: &str) -> Result<bool, Wrong> {
    let number = |text: &str| {
        text.trim()
            .parse::<i64>()
            .map_err(|_| Wrong::NotNumber(text.into()))
    };
    let modified = |path: &str| {
        fs::metadata(path)
            .ok()
            .map(|found| found.attributes().modified_s)
    };
    let inode = |path: &str| {
        fs::metadata(path)
            .ok()
            .map(|found| found.attributes().inode)
    };
    Ok(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        ">" => left > right,
        "-eq" => number(left)? == number(right)?,
        "-ne" => number(left)? != number(right)?,
        "-lt" => number(left)? < number(right)?,
        "-le" => number(left)? <= number(right)?,
        "-gt" => number(left)? > number(right)?,
        "-ge" => number(left)? >= number(right)?,
        "-nt" => modified(left) > modified(right),
        "-ot" => modified(left) < modified(right),
        _ => inode(left).is_some() && inode(left) == inode(right),
    })
}

fn is_unary(word: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|letter| letter.len() == 1 && "bcdefghLnprsStwxz".contains(letter))
}

fn unary(operator: &str, operand: &str) -> bool {
    let file =
        |holds: fn(&Metadata) -> bool| fs::metadata(operand).is_ok_and(|found| holds(&found));
    match operator {
        "-n" => !operand.is_empty(),
        "-z" => operand.is_empty(),
        "-e" | "-r" | "-w" => file(|_| true),
        "-f" => file(Metadata::is_file),
        "-d" => file(Metadata::is_dir),
        "-s" => file(|found| found.len() > 0),
        "-x" => file(|found| found.attributes().mode & 0o111 != 0),
        "-c" => file(|found| found.kind() == FileKind::CharacterDevice),
        "-b" => file(|found| found.kind() == FileKind::BlockDevice),
        "-p" => file(|found| found.kind() == FileKind::Fifo),
        "-S" => file(|found| found.kind() == FileKind::Socket),
        "-L" | "-h" => fs::symlink_metadata(operand).is_ok_and(|found| found.is_symlink()),
        "-t" => operand.parse().is_ok_and(is_terminal),
        _ => false,
    }
}

fn is_terminal(descriptor: u32) -> bool {
    matches!(posix::system().isatty(descriptor), Ok(Ok(1)))
}
