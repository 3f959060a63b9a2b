//! The terminal: what is typed on the console becomes what programs read.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::process::TerminalMode;
use lineedit::{Cooked, CookedEvent, Mode};

use crate::errno::{Errno, Outcome};
use crate::journal::{Change, Journal};
use crate::lanes::Call;
use crate::record::{self, Kind, TerminalRecord};
use crate::sync::{Condvar, Mutex};
use crate::system::System;
use crate::wake::Wake;

/// Most bytes typed ahead; more is dropped.
const READY_MAX: usize = 65_536;

/// Bytes of output that are made ready at once.
const PIECE: usize = 4_096;

/// The system's one terminal.
pub struct Terminal {
    system: Arc<dyn System>,
    journal: Arc<Journal>,
    is_interactive: bool,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    discipline: Cooked,
    /// Finished pieces of input; an empty one is an end of input typed once.
    ready: VecDeque<Vec<u8>>,
    has_ended: bool,
    /// Bytes of the console's input that are in here, or were, since boot.
    taken: u64,
}

/// What typed bytes led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Text, at most.
    Text,
    /// The interrupt key.
    Interrupt,
}

impl Terminal {
    /// A terminal on the console. If nobody sits at it, bytes pass unchanged.
    #[must_use]
    pub fn new(system: Arc<dyn System>, journal: Arc<Journal>, is_interactive: bool) -> Self {
        let mode = if is_interactive {
            Mode::COOKED
        } else {
            Mode::RAW
        };
        let state = State {
            discipline: Cooked::new(mode),
            ready: VecDeque::new(),
            has_ended: false,
            taken: 0,
        };
        Self {
            system,
            journal,
            is_interactive,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Goes on where a predecessor's terminal was.
    pub fn revive(&self, record: TerminalRecord) {
        let mut state = self.state.lock();
        let mode = match record.is_canonical {
            true => Mode::COOKED,
            false => Mode::RAW,
        };
        state.discipline = Cooked::resumed(mode, record.line);
        state.ready = record.ready.into();
        state.taken = record.taken;
    }

    /// Whether somebody sits at it.
    #[must_use]
    pub const fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// Bytes of the console's input that were taken since boot.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.state.lock().taken
    }

    /// Takes bytes that the console gave from `position` on. If the interrupt key is
    /// among them, what `pressed` answers writes that down with them.
    pub fn input<N: FnOnce(&mut Change)>(
        &self,
        position: u64,
        bytes: &[u8],
        pressed: impl FnOnce() -> N,
    ) -> Typed {
        let mut echo = Vec::new();
        let mut typed = Typed::Text;
        let mut state = self.state.lock();
        state.taken = position + bytes.len() as u64;
        if state.ready.iter().map(Vec::len).sum::<usize>() + bytes.len() > READY_MAX {
            self.journal.commit(|change| state.record(change));
            return Typed::Text;
        }
        for byte in bytes {
            match state.discipline.feed(*byte, &mut echo) {
                CookedEvent::Pending => {}
                CookedEvent::Input(piece) => state.deliver(piece),
                CookedEvent::EndOfFile => state.ready.push_back(Vec::new()),
                CookedEvent::Interrupt | CookedEvent::Quit => {
                    state.ready.clear();
                    typed = Typed::Interrupt;
                }
            }
        }
        // A successor that is given the bytes again shows them again.
        if !echo.is_empty() {
            self.system.console_write(&echo);
        }
        let note = (typed == Typed::Interrupt).then(pressed);
        self.journal.commit(|change| {
            state.record(change);
            if let Some(note) = note {
                note(change);
            }
        });
        drop(state);
        self.changed.notify_all();
        typed
    }

    /// Notes that no more input will come.
    pub fn end_input(&self) {
        let mut state = self.state.lock();
        let unfinished = state.discipline.set_mode(Mode::RAW);
        if !unfinished.is_empty() {
            state.deliver(unfinished);
        }
        state.has_ended = true;
        self.journal.commit(|change| state.record(change));
        drop(state);
        self.changed.notify_all();
    }

    /// Reads at most a line, waiting for one; 0 at the end of input.
    ///
    /// # Errors
    /// `EINTR` when the process is killed while it waits.
    pub fn read(&self, call: &Call<'_>, into: &mut [u8]) -> Outcome<u64> {
        if into.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock();
        loop {
            if let Some(mut piece) = state.ready.pop_front() {
                let count = self.length_to_read(&state, &piece).min(into.len());
                into[..count].copy_from_slice(&piece[..count]);
                if count < piece.len() {
                    piece.drain(..count);
                    state.ready.push_front(piece);
                }
                // An end of input that was typed is no call that is counted.
                match count {
                    0 => self.journal.commit(|change| state.record(change)),
                    _ => call.commit([count as u64, 0], |change| state.record(change)),
                }
                return Ok(count as u64);
            }
            if state.has_ended {
                return Ok(0);
            }
            if call.blocked().is_killed() {
                return Err(Errno::EINTR);
            }
            state = self.changed.wait(state);
        }
    }

    /// How much of a piece one call may read. Of raw input it is no more than a line:
    /// a shell that edits its line leaves what was pasted behind that to the program
    /// that it then runs.
    fn length_to_read(&self, state: &State, piece: &[u8]) -> usize {
        let is_whole = !self.is_interactive || state.discipline.mode().is_canonical;
        let mut bytes = piece.iter();
        let end = bytes.position(|byte| matches!(byte, b'\r' | b'\n'));
        match end.filter(|_| !is_whole) {
            Some(at) => at + 1,
            None => piece.len(),
        }
    }

    /// Writes; a person's terminal gets each newline with a carriage return.
    pub fn write(&self, text: &[u8]) {
        if !self.is_interactive {
            self.system.console_write(text);
            return;
        }
        let mut output = Vec::new();
        for piece in text.chunks(PIECE) {
            output.clear();
            self.state.lock().discipline.write(piece, &mut output);
            self.system.console_write(&output);
        }
    }

    /// Writes an error message: to the terminal if somebody sits at it, else
    /// beside it, so that output stays what programs put out.
    pub fn write_error(&self, text: &[u8]) {
        if self.is_interactive {
            self.write(text);
        } else {
            self.system.console_write_error(text);
        }
    }

    /// Sets how input is treated. What was typed of a line is not lost.
    ///
    /// # Errors
    /// `ENOTTY` when nobody sits at it.
    pub fn set_mode(&self, mode: TerminalMode) -> Outcome<()> {
        if !self.is_interactive {
            return Err(Errno::ENOTTY);
        }
        let mut state = self.state.lock();
        let was_raw = !state.discipline.mode().is_canonical;
        let unfinished = state.discipline.set_mode(match mode {
            TerminalMode::Canonical => Mode::COOKED,
            TerminalMode::Raw => Mode::RAW,
        });
        if !unfinished.is_empty() {
            state.deliver(unfinished);
        }
        if was_raw && mode == TerminalMode::Canonical {
            state.cook();
        }
        self.journal.commit(|change| state.record(change));
        Ok(())
    }
}

impl State {
    /// Writes down what was typed and not read.
    fn record(&self, change: &mut Change) {
        let record = TerminalRecord {
            is_canonical: self.discipline.mode().is_canonical,
            line: self.discipline.line().to_vec(),
            ready: self.ready.iter().cloned().collect(),
            taken: self.taken,
        };
        change.put(record::key(Kind::Terminal, 0), &record.encode());
    }

    /// Makes lines of what was typed raw and not read. It is not shown, as it was not
    /// when it was typed: who reads raw input shows it.
    fn cook(&mut self) {
        let mut not_shown = Vec::new();
        for piece in core::mem::take(&mut self.ready) {
            if piece.is_empty() {
                self.ready.push_back(piece);
                continue;
            }
            for byte in piece {
                match self.discipline.feed(byte, &mut not_shown) {
                    CookedEvent::Pending => {}
                    CookedEvent::Input(line) => self.deliver(line),
                    CookedEvent::EndOfFile => self.ready.push_back(Vec::new()),
                    CookedEvent::Interrupt | CookedEvent::Quit => self.ready.clear(),
                }
            }
        }
    }

    /// Adds input; single raw bytes are collected into one piece.
    fn deliver(&mut self, bytes: Vec<u8>) {
        match self.ready.back_mut() {
            Some(last) if !self.discipline.mode().is_canonical && !last.is_empty() => {
                last.extend_from_slice(&bytes);
            }
            _ => self.ready.push_back(bytes),
        }
    }
}

impl Wake for Terminal {
    fn wake_all(&self) {
        drop(self.state.lock());
        self.changed.notify_all();
    }
}
