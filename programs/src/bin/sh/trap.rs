//! `trap` and the signals there are.
//!
//! Rv6 has no signals: who is killed ends. So an action runs at the end of the shell
//! (`EXIT`), when the shell sends itself the signal by its own `kill`, and for `INT`
//! when the interrupt key is pressed while the shell itself runs.

use alloc::collections::BTreeMap;

use posix::prelude::*;

use crate::shell::{Flow, Shell};
use crate::subshell::Quoted;

/// Names of signals by their numbers; 0 is the end of the shell.
pub const SIGNALS: [&str; 32] = [
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
    "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Number of the end of the shell.
const EXIT: usize = 0;

/// Number of the interrupt key's signal.
pub const INTERRUPT: usize = 2;

/// Actions by the signal's number; an empty one ignores it.
pub type Traps = BTreeMap<usize, String>;

/// The number of a signal given by name or number.
pub fn signal_number(text: &str) -> Option<usize> {
    if let Ok(number) = text.parse::<usize>() {
        return (number < SIGNALS.len()).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    SIGNALS.iter().position(|known| *known == name)
}

impl Shell {
    /// `trap`.
    ///
    /// # Errors
    /// What is wrong with the arguments.
    pub fn builtin_trap(&mut self, arguments: &[String]) -> Result<i32, String> {
        let arguments = match arguments {
            [first, rest @ ..] if first == "--" => rest,
            all => all,
        };
        let Some((action, signals)) = arguments.split_first() else {
            for (number, action) in &self.traps {
                println!("trap -- {} {}", Quoted(action), SIGNALS[*number]);
            }
            return Ok(0);
        };
        // With a number in front, all are reset; so is one alone.
        let is_reset = signals.is_empty() || action.parse::<usize>().is_ok();
        let signals = if is_reset { arguments } else { signals };
        if !is_reset && !self.may_grow() {
            return Ok(self.status);
        }
        for signal in signals {
            let Some(number) = signal_number(signal) else {
                self.complain(&format!("trap: {signal}: not a signal"));
                return Ok(1);
            };
            if is_reset || action == "-" {
                self.traps.remove(&number);
            } else {
                self.traps.insert(number, action.clone());
            }
        }
        Ok(0)
    }

    /// Runs the action of a signal; `None` if it has none.
    pub fn run_trap(&mut self, number: usize) -> Option<Flow> {
        let action = self.traps.get(&number)?.clone();
        let status = self.status;
        let flow = self.run_text(&action);
        if flow == Flow::Next {
            self.status = status;
        }
        Some(flow)
    }

    /// The end of the shell: runs the action for that, once.
    pub fn run_exit_trap(&mut self) {
        let Some(action) = self.traps.remove(&EXIT) else {
            return;
        };
        let status = self.status;
        if self.run_text(&action) != Flow::Exit {
            self.status = status;
        }
    }
}
