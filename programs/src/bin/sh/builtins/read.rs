//! `read`: a line of standard input into variables.

use posix::io;
use posix::prelude::*;
use shell_language::{is_name, split_line};

use super::Answer;
use crate::memory::LINE;
use crate::shell::Shell;

/// A line: characters, and whether each was behind a backslash.
type Line = Vec<(char, bool)>;

impl Shell {
    pub(super) fn read(&mut self, arguments: &[String]) -> Answer {
        let mut is_raw = false;
        let mut names = arguments;
        while let [option, rest @ ..] = names {
            match option.as_str() {
                "-r" => is_raw = true,
                "-p" if !rest.is_empty() => {
                    eprint!("{}", rest[0]);
                    names = &rest[1..];
                    continue;
                }
                "--" => {
                    names = rest;
                    break;
                }
                other if other.starts_with('-') => return Err(format!("{other}: not an option")),
                _ => break,
            }
            names = rest;
        }
        if names.is_empty() {
            return Err("expected a variable".into());
        }
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            return Err(format!("{name}: not a name"));
        }
        let _ = io::stdout().flush();
        let (line, is_complete) = match read_line(is_raw) {
            Ok(Some(read)) => read,
            Ok(None) => return Err(format!("a line of more than {LINE} bytes is too long")),
            Err(error) => return Err(error.to_string()),
        };
        let separators = self.value("IFS").unwrap_or(" \t\n").to_string();
        let mut fields = split_line(&line, &separators, names.len()).into_iter();
        for name in names {
            let assigned = self.assign(name, &fields.next().unwrap_or_default());
            assigned.map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(i32::from(!is_complete))
    }
}

/// A line of standard input, and whether it ended in a newline; `None` if it is too
/// long. Not a byte more is read, since programs started later want the rest.
fn read_line(is_raw: bool) -> io::Result<Option<(Line, bool)>> {
    let mut bytes = Vec::new();
    let mut quoted = Vec::new();
    let mut byte = [0];
    let mut count = 0;
    let is_complete = loop {
        count += 1;
        if count > LINE {
            return Ok(None);
        }
        if io::stdin().read_unbuffered(&mut byte)? == 0 {
            break false;
        }
        match byte[0] {
            b'\n' => break true,
            b'\\' if !is_raw => {
                if io::stdin().read_unbuffered(&mut byte)? == 1 && byte[0] != b'\n' {
                    quoted.push(bytes.len());
                    bytes.push(byte[0]);
                }
            }
            0 => {}
            other => bytes.push(other),
        }
    };
    Ok(Some((characters(&bytes, &quoted), is_complete)))
}

/// The text of a line; `quoted` are the places of bytes that were behind a backslash.
fn characters(bytes: &[u8], quoted: &[usize]) -> Line {
    let text = String::from_utf8_lossy(bytes);
    // Where a byte was replaced places no longer fit, which quotes too little.
    let places = text.char_indices();
    places
        .map(|(at, character)| (character, quoted.binary_search(&at).is_ok()))
        .collect()
}
