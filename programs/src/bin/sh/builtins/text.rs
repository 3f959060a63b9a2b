//! `echo`, `printf`, `test` and `[`: without starting a program.

use posix::io;
use posix::prelude::*;
use utility::condition;
use utility::escape::{self, Place};
use utility::printf;

use crate::files::SystemFiles;
use crate::shell::Shell;

/// `echo`, with backslashes as XSI has them and `-n`.
pub fn echo(arguments: &[String]) -> i32 {
    let has_newline = arguments.first().is_none_or(|first| first != "-n");
    let text = arguments[usize::from(!has_newline)..].join(" ");
    let (mut bytes, is_end) = escape::expand(&text, Place::Argument);
    if has_newline && !is_end {
        bytes.push(b'\n');
    }
    // It is collected only; what cannot be written is told when that is tried.
    let _ = io::stdout().write_all(&bytes);
    0
}

impl Shell {
    /// `printf`.
    pub fn printf(&self, arguments: &[String]) -> i32 {
        let arguments = match arguments {
            [first, rest @ ..] if first == "--" => rest,
            all => all,
        };
        let Some((format, arguments)) = arguments.split_first() else {
            self.complain("usage: printf FORMAT [ARGUMENT...]");
            return 2;
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let formatted = printf::format(format, &arguments);
        let _ = io::stdout().write_all(&formatted.output);
        for complaint in &formatted.complaints {
            self.complain(&format!("printf: {complaint}"));
        }
        formatted.status()
    }

    /// `test` and `[`; `words` begins with the name.
    pub fn test(&self, words: &[String]) -> i32 {
        let arguments = &words[1..];
        let arguments = match (&*words[0], arguments.split_last()) {
            ("test", _) => arguments,
            (_, Some((last, before))) if last == "]" => before,
            _ => {
                self.complain("[: a closing ] is missing");
                return 2;
            }
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match condition::evaluate(&arguments, &SystemFiles) {
            Ok(holds) => i32::from(!holds),
            Err(wrong) => {
                self.complain(&format!("{}: {wrong}", words[0]));
                2
            }
        }
    }
}
