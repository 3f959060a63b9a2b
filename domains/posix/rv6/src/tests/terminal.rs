//! What was typed when Rv6 died, and what the interrupt key was to end.

#![forbid(unsafe_code)]

use std::sync::Arc;

use interfaces::process::{Authority, Errno, Process, TerminalMode};
use keeper::Store;

use super::deaths::{LIMIT, first, immortal};
use super::files::MemoryFiles;
use super::host::{Host, LANE, Shared};
use crate::ends::cause;
use crate::process::ProcessState;
use crate::rv6::Rv6;
use crate::system::System;
use crate::table::FIRST_PID;

/// What outlives Rv6.
struct Lasting {
    host: Arc<Host>,
    store: Arc<Store>,
    files: Arc<MemoryFiles>,
}

impl Lasting {
    fn new() -> Self {
        Self {
            host: Arc::default(),
            store: Arc::new(Store::new(LIMIT)),
            files: Arc::new(MemoryFiles::new()),
        }
    }

    /// The next Rv6 and its process.
    fn life(&self) -> (Arc<Rv6>, Arc<ProcessState>) {
        let files = Box::new(Shared {
            files: self.files.clone(),
            life: Arc::default(),
        });
        let rv6 = Rv6::resume(self.host.clone(), files, None, immortal(&self.store), true);
        let rv6 = rv6.unwrap();
        let process = rv6.table().running(FIRST_PID);
        let process = process.unwrap_or_else(|| first(&rv6));
        (rv6, process)
    }

    fn types(&self, bytes: &[u8]) {
        self.host.typed.lock().unwrap().extend_from_slice(bytes);
    }

    /// Reads from the console as an Rv6 does; where from, and what.
    fn give(&self, rv6: &Rv6) -> (u64, Vec<u8>) {
        let mut position = rv6.terminal().taken();
        let mut bytes = [0; 8];
        let count = self.host.console_read(&mut position, &mut bytes);
        (position, bytes[..count].to_vec())
    }

    fn take(&self, rv6: &Rv6) {
        let (position, bytes) = self.give(rv6);
        rv6.take_input(position, &bytes);
    }
}

fn read(process: &ProcessState) -> Result<Vec<u8>, Errno> {
    let mut bytes = [0; 64];
    let count = process.read(LANE, 0, &mut bytes).unwrap()?;
    Ok(bytes[..count as usize].to_vec())
}

#[test]
fn what_was_typed_is_there_once() {
    let lasting = Lasting::new();
    let (rv6, _) = lasting.life();
    lasting.types(b"one\rtw");
    // It dies when it has read that, and has not written it down.
    assert_eq!(lasting.give(&rv6).1, b"one\rtw");
    let (rv6, _) = lasting.life();
    lasting.take(&rv6);
    // It dies when it has.
    let (rv6, process) = lasting.life();
    assert_eq!(lasting.give(&rv6), (6, Vec::new()));
    lasting.types(b"o\r");
    lasting.take(&rv6);
    assert_eq!(read(&process).unwrap(), b"one\n");
    assert_eq!(read(&process).unwrap(), b"two\n");
}

#[test]
fn the_interrupt_key_is_seen_once() {
    let lasting = Lasting::new();
    let (rv6, _) = lasting.life();
    lasting.types(b"\x03");
    lasting.take(&rv6);
    let (_, process) = lasting.life();
    assert_eq!(process.take_interrupt(LANE).unwrap(), Ok(1));
    let (_, process) = lasting.life();
    assert_eq!(process.lanes().last(LANE).value, [1, 0]);
    assert_eq!(process.take_interrupt(LANE).unwrap(), Ok(0));
}

#[test]
fn who_was_to_end_ends() {
    let lasting = Lasting::new();
    let (rv6, process) = lasting.life();
    lasting.host.know("sleep", |process| {
        let _ = process.sleep_ns(u64::MAX / 4);
        0
    });
    super::host::write_file(&process, "/sleep", b"\x7fELFsleep", 0o755);
    let spawn = || process.spawn(LANE, b"/sleep", b"sleep\0", b"", &[], Authority::Observe);
    let (one, other) = (spawn().unwrap().unwrap(), spawn().unwrap().unwrap());
    let domain = |pid| rv6.table().running(pid).unwrap().domain();
    let doomed = rv6.table().running(one).unwrap();
    // It dies when that is written down, and nothing has been done.
    rv6.table()
        .note_kills(&[doomed], cause::PROCESS_LIMIT, |_| {});
    assert!(!lasting.host.is_killed(domain(one)));
    let (next, _) = lasting.life();
    assert!(lasting.host.is_killed(domain(one)));
    assert!(!lasting.host.is_killed(domain(other)));
    let cause = next.table().running(one).unwrap().kill_cause();
    assert_eq!(cause, cause::PROCESS_LIMIT);
}

#[test]
fn what_is_pasted_behind_a_line_is_for_who_reads_next() {
    let lasting = Lasting::new();
    let (rv6, process) = lasting.life();
    process
        .set_terminal_mode(0, TerminalMode::Raw)
        .unwrap()
        .unwrap();
    lasting.types(b"cat\rone\rtwo\rth");
    for _ in 0..2 {
        lasting.take(&rv6);
    }
    // Who edits a line gets that line only,
    assert_eq!(read(&process).unwrap(), b"cat\r");
    process
        .set_terminal_mode(0, TerminalMode::Canonical)
        .unwrap()
        .unwrap();
    // and a program gets lines, one by one.
    assert_eq!(read(&process).unwrap(), b"one\n");
    assert_eq!(read(&process).unwrap(), b"two\n");
    // What was not read goes on as it was typed, unfinished lines included.
    process
        .set_terminal_mode(0, TerminalMode::Raw)
        .unwrap()
        .unwrap();
    assert_eq!(read(&process).unwrap(), b"th");
}
