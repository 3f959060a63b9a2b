//! From the launch of a machine to the shell's prompt.

use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use measure::Samples;

use super::BenchError;
use super::rows::Row;
use super::system::{LIMIT, last_lines, prepare};
use crate::cli::Machine;
use crate::error::ToolError;
use crate::progress::Step;
use crate::run::session::Capture;
use crate::run::{RunError, RunFolder};
use crate::tree::Tree;

/// How the shell's prompt ends.
const PROMPT: &[u8] = b"$ ";

/// Boots measured.
const BOOTS: u32 = 7;

/// Measures boots of the default system.
pub fn measure(tree: &Tree, machine: Machine) -> Result<Vec<Row>, ToolError> {
    let mut samples = Samples::new();
    for boot in 0..BOOTS {
        let folder = RunFolder::make(tree)?;
        let prepared = prepare(tree, "rv6", machine, None, &folder)?;
        let title = format!("booting on {}, {} of {BOOTS}", machine.name(), boot + 1);
        let step = Step::start(&title);
        let time = boot_once(prepared.command(), machine)?;
        drop(step);
        samples.add(time.as_secs_f64() * 1e9);
    }
    Ok(vec![Row::of(&samples.row("launch to prompt", "ns", None))])
}

/// Time from the launch to the prompt; the machine is ended then.
fn boot_once(mut command: std::process::Command, machine: Machine) -> Result<Duration, ToolError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let before = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(crate::build::start_error(&program))?;
    let (sender, prompt) = mpsc::channel();
    if let Some(console) = child.stdout.take() {
        thread::spawn(move || {
            if wait_for(console, PROMPT) {
                // Nobody listens any more when the time is up.
                let _ = sender.send(Instant::now());
            }
        });
    }
    let log = Capture::default();
    if let Some(mut stderr) = child.stderr.take() {
        let mut log = log.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                let _ = log.write_all(&buffer[..count]);
            }
        });
    }
    let shown = prompt.recv_timeout(LIMIT);
    // Already ended, or to be ended: both are fine.
    let _ = child.kill();
    child.wait().map_err(RunError::Watch)?;
    let shown = shown.map_err(|_| BenchError::NoPrompt {
        machine: machine.name(),
        log: last_lines(&String::from_utf8_lossy(&log.take())),
    })?;
    Ok(shown - before)
}

/// Reads until the pattern was read; false at the end of what there is.
fn wait_for(mut from: impl Read, pattern: &[u8]) -> bool {
    let mut seen = Vec::new();
    let mut buffer = [0; 256];
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(count) => seen.extend_from_slice(&buffer[..count]),
        }
        if seen.windows(pattern.len()).any(|window| window == pattern) {
            return true;
        }
        // The pattern may begin at the end of what was read.
        let kept = seen.len().saturating_sub(pattern.len());
        seen.drain(..kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow(&'static [u8]);

    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            into[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn a_prompt_is_found_wherever_reads_cut_it() {
        assert!(wait_for(Slow(b"welcome\r\n/ $ "), PROMPT));
        assert!(wait_for(&b"/ $ "[..], PROMPT));
        assert!(!wait_for(Slow(b"costs 5$, no prompt"), PROMPT));
    }
}
