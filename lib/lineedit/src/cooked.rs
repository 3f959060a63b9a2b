//! The tty line discipline: canonical input with echo, and output processing.

use alloc::string::String;
use alloc::vec::Vec;

use crate::width::{columns, previous_boundary};

/// How input is treated; the names of termios in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Lines can be edited and arrive whole (`ICANON`).
    pub is_canonical: bool,
    /// What is typed is shown (`ECHO`).
    pub has_echo: bool,
    /// Ctrl-C and Ctrl-\ are events, not input (`ISIG`).
    pub has_signals: bool,
    /// A carriage return arrives as a newline (`ICRNL`).
    pub maps_return: bool,
    /// A newline is written as carriage return and newline (`OPOST|ONLCR`).
    pub maps_newline: bool,
}

impl Mode {
    /// What programs expect of a terminal.
    pub const COOKED: Self = Self {
        is_canonical: true,
        has_echo: true,
        has_signals: true,
        maps_return: true,
        maps_newline: true,
    };

    /// Every byte as it is, in both directions.
    pub const RAW: Self = Self {
        is_canonical: false,
        has_echo: false,
        has_signals: false,
        maps_return: false,
        maps_newline: false,
    };
}

impl Default for Mode {
    fn default() -> Self {
        Self::COOKED
    }
}

/// What a byte led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookedEvent {
    /// Nothing a reader could have yet.
    Pending,
    /// Bytes for the reader: in canonical mode a line with its newline, or
    /// what stood before Ctrl-D.
    Input(Vec<u8>),
    /// Ctrl-D on an empty line: a reader gets zero bytes.
    EndOfFile,
    /// Ctrl-C: the input so far is dropped.
    Interrupt,
    /// Ctrl-\: the input so far is dropped.
    Quit,
}

/// The state of one terminal.
#[derive(Clone, Debug, Default)]
pub struct Cooked {
    mode: Mode,
    line: Vec<u8>,
    /// The next byte is input whatever it is (Ctrl-V).
    is_literal_next: bool,
    /// Where the terminal's cursor is.
    column: usize,
    /// Where it was when the line began.
    line_column: usize,
}

const END_OF_FILE: u8 = 0x04;
const INTERRUPT: u8 = 0x03;
const QUIT: u8 = 0x1c;
const KILL: u8 = 0x15;
const WORD_ERASE: u8 = 0x17;
const LITERAL_NEXT: u8 = 0x16;
const BELL: u8 = 0x07;
const TAB_STOP: usize = 8;

impl Cooked {
    /// The longest line with its newline, in bytes (`MAX_CANON`). More is
    /// refused with a bell; there is always room for the newline.
    pub const LINE_LIMIT: usize = 4096;

    /// A terminal in `mode`, with its cursor in column 0.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// A terminal in `mode` on which this much of a line was typed.
    pub fn resumed(mode: Mode, line: Vec<u8>) -> Self {
        Self {
            mode,
            line,
            ..Self::default()
        }
    }

    /// What was typed of a line that has not been delivered.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The mode in force.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Changes the mode; returns input that can now be read, if any.
    pub fn set_mode(&mut self, mode: Mode) -> Vec<u8> {
        self.mode = mode;
        self.is_literal_next = false;
        if mode.is_canonical {
            Vec::new()
        } else {
            core::mem::take(&mut self.line)
        }
    }

    /// Takes one byte from the keyboard; adds the echo to `output`.
    pub fn feed(&mut self, byte: u8, output: &mut Vec<u8>) -> CookedEvent {
        if core::mem::take(&mut self.is_literal_next) {
            return self.input(byte, output);
        }
        if self.mode.has_signals && matches!(byte, INTERRUPT | QUIT) {
            self.line.clear();
            self.echo(byte, output);
            self.write(b"\n", output);
            return if byte == INTERRUPT {
                CookedEvent::Interrupt
            } else {
                CookedEvent::Quit
            };
        }
        let byte = if byte == b'\r' && self.mode.maps_return {
            b'\n'
        } else {
            byte
        };
        if !self.mode.is_canonical {
            self.echo(byte, output);
            return CookedEvent::Input(alloc::vec![byte]);
        }
        match byte {
            b'\n' => {
                self.echo(byte, output);
                self.line.push(byte);
                return self.deliver();
            }
            END_OF_FILE if self.line.is_empty() => return CookedEvent::EndOfFile,
            END_OF_FILE => return self.deliver(),
            0x08 | 0x7f => self.erase(1, output),
            KILL => self.erase(usize::MAX, output),
            WORD_ERASE => self.erase_word(output),
            LITERAL_NEXT => self.is_literal_next = true,
            _ => return self.input(byte, output),
        }
        CookedEvent::Pending
    }

    /// Passes a program's output on, newlines mapped; keeps track of the
    /// column so that erasing a tab goes back the right way.
    pub fn write(&mut self, bytes: &[u8], output: &mut Vec<u8>) {
        for &byte in bytes {
            if byte == b'\n' && self.mode.maps_newline {
                output.push(b'\r');
                self.column = 0;
            }
            output.push(byte);
            match byte {
                b'\r' => self.column = 0,
                b'\t' => self.column = next_tab_stop(self.column),
                0x08 => self.column = self.column.saturating_sub(1),
                // First bytes of characters; a wide one is counted as narrow,
                // which matters only to a tab behind it.
                0x20..=0x7e | 0xc0..=0xff => self.column += 1,
                _ => {}
            }
        }
    }

    fn deliver(&mut self) -> CookedEvent {
        CookedEvent::Input(core::mem::take(&mut self.line))
    }

    fn input(&mut self, byte: u8, output: &mut Vec<u8>) -> CookedEvent {
        if !self.mode.is_canonical {
            self.echo(byte, output);
            return CookedEvent::Input(alloc::vec![byte]);
        }
        if self.line.len() + 1 >= Self::LINE_LIMIT {
            output.push(BELL);
            return CookedEvent::Pending;
        }
        if self.line.is_empty() {
            self.line_column = self.column;
        }
        self.line.push(byte);
        // Shown as ^J, so that the line stays one line.
        self.echo_visibly(byte, output);
        CookedEvent::Pending
    }

    fn echo(&mut self, byte: u8, output: &mut Vec<u8>) {
        if byte == b'\n' && self.mode.has_echo {
            self.write(b"\n", output);
        } else {
            self.echo_visibly(byte, output);
        }
    }

    fn echo_visibly(&mut self, byte: u8, output: &mut Vec<u8>) {
        if !self.mode.has_echo {
            return;
        }
        match byte {
            b'\t' | 0x20..=0x7e | 0x80..=0xff => self.write(&[byte], output),
            _ => self.write(&[b'^', byte ^ 0x40], output),
        }
    }

    fn erase_word(&mut self, output: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(&self.line);
        let kept = text.trim_end_matches([' ', '\t']);
        let word_start = kept.rfind([' ', '\t']).map_or(0, |blank| blank + 1);
        let count = text[word_start..].chars().count();
        self.erase(count, output);
    }

    /// Erases characters from the end, on the terminal as well.
    fn erase(&mut self, count: usize, output: &mut Vec<u8>) {
        for _ in 0..count {
            let length = last_character_length(&self.line);
            if length == 0 {
                return;
            }
            let before = self.shown_column();
            self.line.truncate(self.line.len() - length);
            let after = self.shown_column();
            if self.mode.has_echo {
                for _ in after..before {
                    output.extend_from_slice(b"\x08 \x08");
                }
                self.column = after;
            }
        }
    }

    /// The column behind the line as it was echoed.
    fn shown_column(&self) -> usize {
        let text = String::from_utf8_lossy(&self.line);
        text.chars()
            .fold(self.line_column, |column, character| match character {
                '\t' => next_tab_stop(column),
                '\0'..='\x1f' | '\x7f' => column + 2,
                _ => column + columns(character),
            })
    }
}

fn next_tab_stop(column: usize) -> usize {
    (column / TAB_STOP + 1) * TAB_STOP
}

/// Bytes of the last character, combining marks included; 1 if it is no UTF-8.
fn last_character_length(line: &[u8]) -> usize {
    let valid = match line.utf8_chunks().last() {
        Some(chunk) if chunk.invalid().is_empty() => chunk.valid(),
        Some(_) => return 1,
        None => return 0,
    };
    valid.len() - previous_boundary(valid, valid.len())
}
