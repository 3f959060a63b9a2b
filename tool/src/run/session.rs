//! Watches a machine from start to end: console, log, time and exit status.
//!
//! Each stream has a thread that reports to the one that waits, so that the
//! end is decided in one place whatever happens first: the child's end, the
//! time-out, Ctrl-A X, or a signal to the tool.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::RunError;
use super::terminal::RawTerminal;
use crate::error::ToolError;

/// How the log announces the exit status.
const STATUS_LINE: &str = "redleaf: exit status ";

/// How the supervisor announces that everything was given back.
pub const CLEAN_AUDIT: &str = "init: reclaim audit: clean";

/// Ctrl-A: the next key is for the tool.
const ESCAPE: u8 = 0x01;

/// Where a machine's streams go.
pub struct Streams {
    /// The console's output.
    pub console: Box<dyn Write + Send>,
    /// The kernel's log.
    pub log: Box<dyn Write + Send>,
    /// Whether the terminal's keys go to the console; Ctrl-A X leaves.
    pub is_interactive: bool,
    /// What tells the kernel's own lines of the log from all others.
    pub proof: Proof,
}

/// What tells lines of the kernel and the supervisor from what domains log and
/// programs write beside the log: a word that the kernel was told and puts in front.
#[derive(Clone, Default)]
pub struct Proof {
    /// The word; `None`: the machine was told none, and every line is believed.
    pub mark: Option<String>,
    /// The lines with it, as far as they came.
    pub lines: Capture,
}

impl Proof {
    /// By a machine's word.
    pub fn of(mark: Option<&str>) -> Self {
        Self {
            mark: mark.map(str::to_owned),
            lines: Capture::default(),
        }
    }

    /// What the kernel and the supervisor said.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.take()).into_owned()
    }

    /// Takes the word out of a line: the line, and what of it the kernel says.
    fn examine(&self, line: &str) -> (String, Option<String>) {
        let Some(mark) = &self.mark else {
            return (line.to_owned(), Some(line.to_owned()));
        };
        // A program may have written the beginning of a line before.
        let proven = line
            .split_once(mark.as_str())
            .map(|(_, proven)| proven.replace(mark, ""));
        (line.replace(mark, ""), proven)
    }
}

/// A stream kept in memory.
#[derive(Clone, Default)]
pub struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// What was written so far; the capture is empty afterwards.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the supervisor says that everything was given back, in a text of what is
/// proven.
pub fn has_clean_audit(proven: &str) -> bool {
    let said = proven.lines().filter_map(|line| line.split_once("] "));
    said.into_iter().any(|(_, said)| said == CLEAN_AUDIT)
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The system said with which status.
    Status(u8),
    /// The person at the terminal left it, or a signal ended the tool.
    Left,
    /// The time was up.
    TimedOut,
    /// It ended without a word.
    NoStatus,
}

/// How long a run may take.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// For ever.
    None,
    /// So long in all.
    Total(Duration),
    /// For ever, while the console is never silent for so long.
    Silence(Duration),
}

impl Limit {
    /// When it ends a run that has just begun or spoken.
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Total(time) | Self::Silence(time) => Some(Instant::now() + time),
        }
    }
}

impl From<Option<Duration>> for Limit {
    fn from(limit: Option<Duration>) -> Self {
        limit.map_or(Self::None, Self::Total)
    }
}

/// What a thread reports.
enum Event {
    /// The console's output goes on.
    ConsoleSpoke,
    /// The console's output ended.
    ConsoleEnded,
    /// The log ended; the exit status it named.
    LogEnded(Option<u8>),
    /// Ctrl-A X.
    Leave,
    /// A signal to end.
    Signal,
}

/// Starts the command and stays with it to its end.
///
/// # Errors
/// [`ToolError::Start`] or [`RunError::Watch`].
pub fn watch(
    mut command: Command,
    streams: Streams,
    limit: impl Into<Limit>,
) -> Result<Ending, ToolError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let input = match streams.is_interactive {
        true => Stdio::piped(),
        false => Stdio::null(),
    };
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(crate::build::start_error(&program))?;
    let terminal = match streams.is_interactive {
        true => RawTerminal::enter().map_err(RunError::Watch)?,
        false => None,
    };
    let events = start_threads(&mut child, streams, terminal.is_some())?;
    let ending = wait(&events, limit.into());
    // Already ended, or to be ended: both are fine.
    let _ = child.kill();
    child.wait().map_err(RunError::Watch)?;
    drop(terminal);
    Ok(ending)
}

/// Waits for whatever ends the run.
fn wait(events: &Receiver<Event>, limit: Limit) -> Ending {
    let mut deadline = limit.deadline();
    let mut is_console_open = true;
    let mut status = None;
    loop {
        let event = match deadline {
            Some(deadline) => {
                events.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Leave | Event::Signal) => return Ending::Left,
            Ok(Event::ConsoleSpoke) => {
                if let Limit::Silence(_) = limit {
                    deadline = limit.deadline();
                }
            }
            Ok(Event::ConsoleEnded) => is_console_open = false,
            Ok(Event::LogEnded(found)) => status = Some(found),
            Err(RecvTimeoutError::Timeout) => return Ending::TimedOut,
            Err(RecvTimeoutError::Disconnected) => return Ending::NoStatus,
        }
        // Both streams end with the child, and nothing printed may be lost.
        if let (false, Some(status)) = (is_console_open, status) {
            return status.map_or(Ending::NoStatus, Ending::Status);
        }
    }
}

/// Starts a thread for each stream and one for signals.
fn start_threads(
    child: &mut Child,
    streams: Streams,
    is_raw: bool,
) -> Result<Receiver<Event>, ToolError> {
    let (sender, events) = mpsc::channel();
    if let Some(console) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || {
            copy_console(console, streams.console, || {
                let _ = sender.send(Event::ConsoleSpoke);
            });
            let _ = sender.send(Event::ConsoleEnded);
        });
    }
    if let Some(log) = child.stderr.take() {
        let sender = sender.clone();
        thread::spawn(move || {
            let status = copy_log(log, streams.log, &streams.proof, is_raw);
            let _ = sender.send(Event::LogEnded(status));
        });
    }
    if let Some(console) = child.stdin.take() {
        let sender = sender.clone();
        thread::spawn(move || {
            if copy_keys(io::stdin(), console, is_raw) {
                let _ = sender.send(Event::Leave);
            }
        });
    }
    watch_signals(sender).map_err(RunError::Watch)?;
    Ok(events)
}

fn watch_signals(sender: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = sender.send(Event::Signal);
        }
    });
    Ok(())
}

/// Copies the console's output at once, byte for byte.
fn copy_console(mut from: impl Read, mut to: impl Write, spoke: impl Fn()) {
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
            // A closed output loses what nobody reads; the child goes on.
            Ok(count) => {
                let _ = to.write_all(&buffer[..count]).and_then(|()| to.flush());
                spoke();
            }
        }
    }
}

/// Copies the log line by line; the exit status it names.
fn copy_log(from: impl Read, mut to: impl Write, proof: &Proof, is_raw: bool) -> Option<u8> {
    let mut proven_lines = proof.lines.clone();
    let mut from = BufReader::new(from);
    let mut status = None;
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        let text = String::from_utf8_lossy(&line);
        let (text, proven) = proof.examine(text.trim_end());
        if let Some(proven) = proven {
            status = parse_status(&proven).or(status);
            // It is kept in memory, which does not fail.
            let _ = writeln!(proven_lines, "{proven}");
        }
        // A raw terminal does not return to the start of the line by itself.
        let end = if is_raw { "\r\n" } else { "\n" };
        let _ = write!(to, "{text}{end}").and_then(|()| to.flush());
        line.clear();
    }
    status
}

/// The exit status that a line of the log names; above 255 counts as 255.
fn parse_status(line: &str) -> Option<u8> {
    let (_, number) = line.split_once(STATUS_LINE)?;
    let number: u32 = number.trim().parse().ok()?;
    Some(u8::try_from(number).unwrap_or(u8::MAX))
}

/// Copies keys to the console; true when the person wants to leave.
fn copy_keys(mut from: impl Read, mut to: impl Write, is_raw: bool) -> bool {
    let mut filter = KeyFilter::default();
    let mut buffer = [0; 256];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return false,
        };
        let keys = &buffer[..count];
        let keys = if is_raw {
            match filter.pass(keys) {
                Some(keys) => keys,
                None => return true,
            }
        } else {
            keys.to_vec()
        };
        if to.write_all(&keys).and_then(|()| to.flush()).is_err() {
            return false;
        }
    }
}

/// Takes Ctrl-A X out of what is typed; Ctrl-A Ctrl-A passes one Ctrl-A.
#[derive(Default)]
struct KeyFilter {
    is_escaped: bool,
}

impl KeyFilter {
    /// The keys that are for the system; `None` after Ctrl-A X.
    fn pass(&mut self, keys: &[u8]) -> Option<Vec<u8>> {
        let mut passed = Vec::with_capacity(keys.len());
        for &key in keys {
            match (self.is_escaped, key) {
                (true, b'x' | b'X') => return None,
                (true, _) => {
                    if key != ESCAPE {
                        passed.push(ESCAPE);
                    }
                    passed.push(key);
                    self.is_escaped = false;
                }
                (false, ESCAPE) => self.is_escaped = true,
                (false, _) => passed.push(key),
            }
        }
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script as a machine: ending, console and log.
    fn watch_shell(script: &str, limit: Option<Duration>) -> (Ending, Vec<u8>, Vec<u8>) {
        let (console, log) = (Capture::default(), Capture::default());
        let streams = Streams {
            console: Box::new(console.clone()),
            log: Box::new(log.clone()),
            is_interactive: false,
            proof: Proof::default(),
        };
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let ending = watch(command, streams, limit).unwrap();
        (ending, console.take(), log.take())
    }

    #[test]
    fn console_log_and_status_are_told_apart() {
        let script = "printf 'out'; echo 'redleaf: exit status 3' >&2";
        let (ending, console, log) = watch_shell(script, None);
        assert_eq!(ending, Ending::Status(3));
        assert_eq!(console, b"out");
        assert_eq!(log, b"redleaf: exit status 3\n");
    }

    #[test]
    fn only_lines_with_the_mark_are_the_kernels() {
        let proof = Proof::of(Some("k3y"));
        let log = "[1] init: reclaim audit: clean\nredleaf: exit status 0\n\
                   halfk3y[2] one\nk3y[3] redleaf: exit status 7\n[4] redleaf: exit status 0\n";
        let shown = Capture::default();
        let status = copy_log(log.as_bytes(), shown.clone(), &proof, false);
        assert_eq!(status, Some(7));
        assert_eq!(proof.lines.take(), b"[2] one\n[3] redleaf: exit status 7\n");
        assert_eq!(shown.take(), log.replace("k3y", "").as_bytes());
    }

    #[test]
    fn an_audit_is_clean_if_the_supervisor_says_so() {
        assert!(has_clean_audit(
            "[1] a\n[    2.000001] init: reclaim audit: clean\n"
        ));
        for other in [
            "[1] warning: crash: domain x died: panic: [2] init: reclaim audit: clean\n",
            "[1] warning: init: reclaim audit: clean\n",
            "[1] init: reclaim audit: clean, nearly\n",
            "init: reclaim audit: clean\n",
            "",
        ] {
            assert!(!has_clean_audit(other), "{other}");
        }
    }

    #[test]
    fn an_end_without_status_is_a_failure() {
        let (ending, _, log) = watch_shell("echo lost >&2; exit 0", None);
        assert_eq!(ending, Ending::NoStatus);
        assert_eq!(log, b"lost\n");
    }

    #[test]
    fn the_time_limit_ends_it() {
        let limit = Some(Duration::from_millis(50));
        let (ending, ..) = watch_shell("exec sleep 60", limit);
        assert_eq!(ending, Ending::TimedOut);
    }

    #[test]
    fn a_silence_ends_it_and_words_do_not() {
        let limit = Limit::Silence(Duration::from_secs(1));
        let run = |script| {
            let streams = Streams {
                console: Box::new(Capture::default()),
                log: Box::new(Capture::default()),
                is_interactive: false,
                proof: Proof::default(),
            };
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            watch(command, streams, limit).unwrap()
        };
        let talks = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do echo $i; sleep 0.1; done; \
                     echo 'redleaf: exit status 0' >&2";
        assert_eq!(run(talks), Ending::Status(0));
        assert_eq!(run("echo 1; exec sleep 60"), Ending::TimedOut);
    }

    #[test]
    fn ctrl_a_x_leaves_and_other_keys_pass() {
        let mut filter = KeyFilter::default();
        assert_eq!(filter.pass(b"ls\x01"), Some(b"ls".to_vec()));
        assert_eq!(filter.pass(b"\x01b\x01c"), Some(b"\x01b\x01c".to_vec()));
        assert_eq!(filter.pass(b"a\x01x"), None);
    }

    #[test]
    fn status_lines_are_read_from_anywhere_in_a_line() {
        assert_eq!(parse_status("[1.2] redleaf: exit status 7"), Some(7));
        assert_eq!(parse_status("redleaf: exit status 300"), Some(255));
        assert_eq!(parse_status("redleaf: exit status x"), None);
        assert_eq!(parse_status("exit status 7"), None);
    }
}
