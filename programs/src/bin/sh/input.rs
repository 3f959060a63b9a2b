//! Where a shell that nobody sits at has its commands from.

use posix::io;
use posix::prelude::*;
use posix::process::Errno;
use shell_language::{Expected, ParseError, Script};

use crate::memory;
use crate::shell::{Flow, Shell};

impl Shell {
    /// Runs commands from standard input, of which no byte is read behind the line
    /// that is run: the rest is for programs.
    pub fn run_input(&mut self) {
        let mut text = String::new();
        loop {
            let wanted = match self.run_beginning(&text) {
                Ran::All => {
                    text.clear();
                    None
                }
                Ran::Ended => return,
                Ran::Needs(wanted) => wanted,
            };
            match read_lines(wanted.as_deref(), &mut text) {
                Err(error) if error.errno() == Some(Errno::EFBIG) => {
                    self.refuse(&ParseError::TooLong);
                    return;
                }
                Ok(true) => {}
                Ok(false) => {
                    // What is there is all there will be.
                    self.run_text_left(&text);
                    return;
                }
                Err(error) => {
                    self.complain(&format!("standard input: {error}"));
                    self.status = 2;
                    return;
                }
            }
        }
    }

    fn run_text_left(&mut self, text: &str) {
        if !text.is_empty() {
            self.run_text(text);
        }
    }

    fn run_beginning(&mut self, text: &str) -> Ran {
        if self.options.has("verbose") && text.ends_with('\n') {
            eprint!("{}", text.lines().next_back().unwrap_or_default());
            eprintln!();
        }
        match Script::beginning(text).next_command(&self.aliases) {
            Ok(None) => Ran::All,
            Ok(Some(program)) => match self.run_program(&program) {
                Flow::Exit | Flow::Return => Ran::Ended,
                _ => Ran::All,
            },
            Err(ParseError::Incomplete {
                expected: Expected::HereDocumentEnd(delimiter),
            }) => Ran::Needs(Some(delimiter)),
            Err(ParseError::Incomplete { .. }) => Ran::Needs(None),
            Err(error) => {
                self.refuse(&error);
                Ran::Ended
            }
        }
    }
}

/// What became of lines.
enum Ran {
    /// They have run.
    All,
    /// They have ended the shell.
    Ended,
    /// They go on; if a here-document is open, up to the line with this.
    Needs(Option<String>),
}

/// Adds a line of standard input, or lines up to one that is `last`; false at the end.
fn read_lines(last: Option<&str>, text: &mut String) -> io::Result<bool> {
    loop {
        let line = read_line(ParseError::TEXT_LIMIT.saturating_sub(text.len()))?;
        text.push_str(&line);
        let Some(content) = line.strip_suffix('\n') else {
            return Ok(false);
        };
        if last.is_none_or(|last| content.trim_start_matches('\t') == last) {
            return Ok(true);
        }
    }
}

fn read_line(limit: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while io::stdin().read_unbuffered(&mut byte)? != 0 {
        if bytes.len() == limit {
            return Err(Errno::EFBIG.into());
        }
        bytes.push(byte[0]);
        if byte[0] == b'\n' {
            break;
        }
    }
    memory::text(bytes, limit).ok_or(Errno::EFBIG.into())
}
