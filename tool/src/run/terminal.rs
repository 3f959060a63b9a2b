//! The terminal, lent to a system's console and always restored.

use std::io::{self, IsTerminal};

use rustix::termios::{self, OptionalActions, Termios};

/// A terminal in raw mode, restored when this is dropped.
pub struct RawTerminal {
    original: Termios,
}

impl RawTerminal {
    /// Puts the terminal on standard input into raw mode; `None` if standard
    /// input is none.
    pub fn enter() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let original = termios::tcgetattr(io::stdin())?;
        let mut raw = original.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Some(Self { original }))
    }

    /// Restores the terminal.
    pub fn restore(&self) {
        // A terminal that is gone needs no restoring.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.original);
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Columns and rows of the terminal on standard output, if it is one.
pub fn size() -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some((size.ws_col, size.ws_row))
}
