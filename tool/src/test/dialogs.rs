//! Interactive use, through a pseudo-terminal: a table of keys and answers.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;
use rustix::pty::{self, OpenptFlags};
use rustix::termios::{self, Winsize};
use serde::Deserialize;

use super::{Counts, Speed, TestError};
use crate::build::start_error;
use crate::disk;
use crate::error::ToolError;
use crate::tree::Tree;

/// The table, relative to the tree.
const TABLE: &str = "tests/dialogs.toml";

/// Longest wait for an answer that names no time, in seconds.
const PATIENCE_S: f64 = 60.0;

/// Size of the terminal.
const SIZE: Winsize = Winsize {
    ws_col: 80,
    ws_row: 24,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

/// The table's top level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    dialog: Vec<Dialog>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialog {
    name: String,
    #[serde(default)]
    speed: Speed,
    /// For `sh` on the terminal; `$REDLEAF` is the tool.
    run: String,
    #[serde(default)]
    status: i32,
    steps: Vec<Step>,
}

/// What happens next.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Keys to press.
    send: Option<String>,
    /// Pattern of what must appear, control sequences left out.
    expect: Option<String>,
    /// Seconds it may take.
    within: Option<f64>,
}

/// Reads the table.
///
/// # Errors
/// [`TestError::Table`] or [`ToolError::File`].
pub fn read(tree: &Tree) -> Result<Vec<Dialog>, ToolError> {
    let path = tree.path(TABLE);
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    let table: Table = toml::from_str(&text).map_err(|error| table_error(&error))?;
    for dialog in &table.dialog {
        for pattern in dialog.steps.iter().filter_map(|step| step.expect.as_ref()) {
            Regex::new(pattern).map_err(|error| table_error(&error))?;
        }
    }
    Ok(table.dialog)
}

fn table_error(error: &dyn std::fmt::Display) -> TestError {
    TestError::Table {
        file: TABLE,
        message: error.to_string().trim().to_owned(),
    }
}

impl Dialog {
    /// How long it takes.
    pub const fn speed(&self) -> Speed {
        self.speed
    }

    /// Its name in reports and filters.
    pub fn full_name(&self) -> String {
        format!("interactive: {}", self.name)
    }

    /// Holds it and reports; counts one.
    ///
    /// # Errors
    /// [`ToolError`] when there is no terminal to hold it on.
    pub fn run(&self, tree: &Tree) -> Result<Counts, ToolError> {
        let begin = Instant::now();
        let mut terminal = Terminal::start(tree, &self.run)?;
        let failure = self.hold(&mut terminal);
        let failure = match failure {
            None => terminal.end(self.status),
            failed => {
                terminal.kill();
                failed
            }
        };
        let time = begin.elapsed().as_secs_f64();
        Ok(super::report(
            time,
            &self.full_name(),
            &Vec::from_iter(failure),
        ))
    }

    /// Every step; what failed.
    fn hold(&self, terminal: &mut Terminal) -> Option<String> {
        for step in &self.steps {
            if let Some(keys) = &step.send
                && let Err(error) = terminal.master.write_all(keys.as_bytes())
            {
                return Some(format!("cannot press {keys:?}: {error}"));
            }
            if let Some(pattern) = &step.expect {
                let within = Duration::from_secs_f64(step.within.unwrap_or(PATIENCE_S));
                if let Err(shown) = terminal.wait_for(pattern, within) {
                    return Some(format!("expected {pattern:?} next, found {shown:?}"));
                }
            }
        }
        None
    }
}

/// A terminal with a process on it.
struct Terminal {
    master: File,
    output: Receiver<Vec<u8>>,
    /// What has appeared since the last match, as it came.
    shown: Vec<u8>,
    child: Child,
}

impl Terminal {
    fn start(tree: &Tree, script: &str) -> Result<Self, ToolError> {
        let failed = |error: rustix::io::Errno| {
            ToolError::file("open", Path::new("/dev/ptmx"))(error.into())
        };
        let master = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).map_err(failed)?;
        pty::grantpt(&master).map_err(failed)?;
        pty::unlockpt(&master).map_err(failed)?;
        termios::tcsetwinsize(&master, SIZE).map_err(failed)?;
        let name = pty::ptsname(&master, Vec::new()).map_err(failed)?;
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let slave = || {
            let opened = File::options().read(true).write(true).open(path);
            opened.map_err(ToolError::file("open", path))
        };
        let child = Command::new("sh")
            .args(["-uc", script])
            .current_dir(tree.root())
            .env("REDLEAF", tree.path("redleaf"))
            .env("PATH", disk::search_path())
            .env("TERM", "xterm")
            .stdin(slave()?)
            .stdout(slave()?)
            .stderr(slave()?)
            .spawn()
            .map_err(start_error("sh"))?;
        let master = File::from(master);
        let mut reader = master.try_clone().map_err(ToolError::file("read", path))?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is the end: the other side is closed.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            master,
            output,
            shown: Vec::new(),
            child,
        })
    }

    /// Waits until the pattern appears, and forgets what came before its end.
    fn wait_for(&mut self, pattern: &str, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        // `read` has compiled it once.
        let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
        loop {
            let text = without_start(&plain(&self.shown));
            if let Some(found) = regex.find(&text) {
                self.shown = text.as_bytes()[found.end()..].to_vec();
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.shown.extend_from_slice(&bytes),
                Err(_) => return Err(text),
            }
        }
    }

    /// Waits for the process; what is wrong with its end.
    fn end(&mut self, expected: i32) -> Option<String> {
        let deadline = Instant::now() + Duration::from_secs_f64(PATIENCE_S);
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                let found = status.code();
                return (found != Some(expected))
                    .then(|| format!("expected exit status {expected}, found {found:?}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.kill();
        Some("it does not end".to_owned())
    }

    /// Leaves the system, if the tool is in one, and ends the shell.
    fn kill(&mut self) {
        let leaves = self.master.write_all(b"\x01x").is_ok();
        let deadline = Instant::now() + Duration::from_secs(3);
        while leaves && Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Text without the supervisor's line that the system has started. The first shell may
/// have prompted before, and been answered: the line comes when the last start is over.
fn without_start(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    let is_other = |line: &&str| !(line.contains("] init: system ") && line.contains(" started: "));
    lines.filter(is_other).collect()
}

/// Text without control sequences and carriage returns.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(each) = rest.next() {
        match each {
            // ECMA-48, 5.4: parameters and intermediates, then one final byte.
            '\x1b' => {
                if rest.clone().next() == Some('[') {
                    rest.next();
                    rest.find(|end| ('@'..='~').contains(end));
                }
            }
            '\r' | '\x07' => {}
            each => out.push(each),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_start_may_come_at_any_time() {
        let text = "/ $ echo on\n[    0.038055] init: system rv6 started: 7 domains\non\n/ $ ";
        assert_eq!(without_start(text), "/ $ echo on\non\n/ $ ");
        assert_eq!(without_start("init: on"), "init: on");
    }

    #[test]
    fn control_sequences_are_left_out() {
        assert_eq!(plain(b"\x1b[1;31ma\x1b[K\r\nb\x07"), "a\nb");
        assert_eq!(plain(b"cut \x1b["), "cut ");
    }
}
