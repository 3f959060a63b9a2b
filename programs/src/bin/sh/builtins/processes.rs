//! `kill`: of processes, and of the shell itself.

use posix::prelude::*;
use posix::process;

use super::STATUS_WRONG;
use crate::shell::{Flow, Shell};
use crate::trap::{SIGNALS, signal_number};

/// Number of SIGKILL and SIGSTOP, which nobody can catch.
const NEVER_CAUGHT: [usize; 2] = [9, 19];

/// Signals that end nobody who does not catch them: CHLD, CONT, URG, WINCH.
const HARMLESS: [usize; 4] = [17, 18, 23, 28];

/// Signals that stop a process, which Rv6 does not have: STOP, TSTP, TTIN, TTOU.
const STOPPING: [usize; 4] = [19, 20, 21, 22];

/// Number of SIGTERM.
const TERMINATE: usize = 15;

impl Shell {
    /// `kill`.
    pub(super) fn builtin_kill(&mut self, arguments: &[String]) -> Flow {
        let (signal, targets) = match self.kill_arguments(arguments) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => {
                self.status = 0;
                return Flow::Next;
            }
            Err(wrong) => {
                self.complain(&format!("kill: {wrong}"));
                self.status = STATUS_WRONG;
                return Flow::Next;
            }
        };
        self.status = 0;
        let mut flow = Flow::Next;
        for target in targets {
            match self.send(signal, target) {
                Ok(Some(Flow::Next) | None) => {}
                Ok(Some(other)) => flow = other,
                Err(reason) => {
                    self.complain(&format!("kill: {target}: {reason}"));
                    self.status = 1;
                }
            }
        }
        flow
    }

    /// The signal and the targets; `None` if it was `-l`, which is done then.
    fn kill_arguments<'a>(
        &self,
        arguments: &'a [String],
    ) -> Result<Option<(usize, &'a [String])>, String> {
        let named = |name: &str| signal_number(name).ok_or(format!("{name}: not a signal"));
        let (signal, targets) = match arguments {
            [option, rest @ ..] if option == "-l" => {
                print_signals(rest)?;
                return Ok(None);
            }
            [option, name, rest @ ..] if option == "-s" => (named(name)?, rest),
            [option, rest @ ..] if option == "--" => (TERMINATE, rest),
            [option, rest @ ..] if option.starts_with('-') => (named(&option[1..])?, rest),
            rest => (TERMINATE, rest),
        };
        let targets = match targets {
            [first, rest @ ..] if first == "--" => rest,
            all => all,
        };
        if targets.is_empty() {
            return Err("usage: kill [-s SIGNAL | -SIGNAL] PID..., or kill -l".into());
        }
        Ok(Some((signal, targets)))
    }

    fn send(&mut self, signal: usize, target: &str) -> Result<Option<Flow>, String> {
        let Some(pid) = self.process_of(target) else {
            return Err("not a process number or job".into());
        };
        if signal == 0 || HARMLESS.contains(&signal) && pid != process::id() {
            let all = process::processes().map_err(|error| error.to_string())?;
            let is_there = all.iter().any(|one| one.pid == pid);
            return is_there.then_some(None).ok_or("no such process".into());
        }
        if pid == process::id() && !NEVER_CAUGHT.contains(&signal) {
            return Ok(self.send_itself(signal));
        }
        if STOPPING.contains(&signal) {
            return Err(format!("{}: Rv6 does not stop processes", SIGNALS[signal]));
        }
        process::kill(pid).map_err(|error| error.to_string())?;
        Ok(None)
    }

    /// What the signal does to this shell.
    fn send_itself(&mut self, signal: usize) -> Option<Flow> {
        match self.traps.get(&signal).map(String::is_empty) {
            Some(true) => None,
            Some(false) => self.run_trap(signal),
            None if HARMLESS.contains(&signal) || self.is_interactive => None,
            None => Self::end_by_signal(signal),
        }
    }
}

/// `kill -l`: all names, or the one that a number or status means.
fn print_signals(arguments: &[String]) -> Result<(), String> {
    if arguments.is_empty() {
        for name in &SIGNALS[1..] {
            println!("{name}");
        }
    }
    for argument in arguments {
        let number = argument.parse::<usize>().ok();
        let number = number.map(|number| if number > 128 { number - 128 } else { number });
        match number.and_then(|number| SIGNALS.get(number)) {
            Some(name) => println!("{name}"),
            None => return Err(format!("{argument}: not a signal")),
        }
    }
    Ok(())
}
