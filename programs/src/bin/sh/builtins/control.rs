//! Builtins that change what runs next.

use posix::prelude::*;
use posix::{fs, process};

use super::{STATUS_WRONG, is_builtin, number, operands};
use crate::memory;
use crate::redirect::Plan;
use crate::shell::{Flow, Shell};

impl Shell {
    pub(super) fn leave_loop(&mut self, name: &str, arguments: &[String]) -> Result<Flow, String> {
        let levels = match operands(arguments).first() {
            Some(text) => number(text)?,
            None => 1,
        };
        if levels == 0 {
            return Err("0: expected at least 1".into());
        }
        self.status = 0;
        if self.loop_depth == 0 {
            return Ok(Flow::Next);
        }
        let levels = levels.min(self.loop_depth);
        Ok(match name {
            "break" => Flow::Break(levels),
            _ => Flow::Continue(levels),
        })
    }

    pub(super) fn leave(&mut self, name: &str, arguments: &[String]) -> Result<Flow, String> {
        if let Some(text) = operands(arguments).first() {
            let status = number(text)?;
            self.status = i32::from(status.to_le_bytes()[0]);
        }
        Ok(match name == "return" && self.call_depth > 0 {
            true => Flow::Return,
            false => Flow::Exit,
        })
    }

    pub(super) fn source(&mut self, arguments: &[String]) -> Result<Flow, String> {
        let Some(name) = operands(arguments).first() else {
            return Err("expected a file".into());
        };
        let path = self.find_script(name);
        let text = memory::read_script(&path).map_err(|error| format!("{name}: {error}"))?;
        self.call_depth += 1;
        let flow = self.run_text(&text);
        self.call_depth -= 1;
        Ok(match flow {
            Flow::Return => Flow::Next,
            other => other,
        })
    }

    /// Where a file to be sourced is: along `PATH`, if its name has no slash.
    fn find_script(&self, name: &str) -> String {
        let path = self.value("PATH").unwrap_or_default();
        let mut candidates = path.split(':').map(|directory| match directory {
            "" => name.into(),
            directory => format!("{directory}/{name}"),
        });
        let found = candidates.find(|path| fs::metadata(path).is_ok_and(|found| found.is_file()));
        match name.contains('/') {
            true => name.into(),
            false => found.unwrap_or_else(|| name.into()),
        }
    }

    /// Runs a program that may administer the system, if this shell may.
    pub(super) fn run_admin(&mut self, arguments: &[String]) -> Flow {
        let Some(name) = arguments.first() else {
            self.complain("admin: which program may administer the system?");
            self.status = STATUS_WRONG;
            return Flow::Next;
        };
        if is_builtin(name) {
            return self.run_builtin(arguments);
        }
        let authority = Some(process::Authority::HandOn);
        self.status = match self.start_program_as(authority, arguments, &Plan::default()) {
            Ok(pid) => self.wait_foreground(&[pid]),
            Err(status) => status,
        };
        Flow::Next
    }

    /// `command`: no function, no special builtin; with `-v` or `-V` what it would be.
    pub(super) fn run_command_builtin(&mut self, arguments: &[String]) -> Flow {
        let mut words = arguments;
        let mut shown = None;
        while let [option, rest @ ..] = words {
            match option.as_str() {
                "-p" => {}
                "-v" | "-V" => shown = Some(option.as_str()),
                "--" => {
                    words = rest;
                    break;
                }
                _ => break,
            }
            words = rest;
        }
        match (shown, words) {
            (Some("-v"), names) => self.status = self.name_all(names),
            (Some(_), names) => self.status = self.describe_all(names),
            (None, []) => self.status = 0,
            (None, words) => return self.run_without_function(words),
        }
        Flow::Next
    }

    fn run_without_function(&mut self, words: &[String]) -> Flow {
        if is_builtin(&words[0]) && words[0] != "exec" {
            let before = core::mem::replace(&mut self.is_forgiving, true);
            let flow = self.run_builtin(words);
            self.is_forgiving = before;
            return flow;
        }
        let (program, is_last) = match words[0] == "exec" {
            true => (&words[1..], true),
            false => (words, false),
        };
        if program.is_empty() {
            self.status = 0;
            return Flow::Next;
        }
        self.status = match self.start_program(program, &Plan::default()) {
            Ok(pid) => self.wait_foreground(&[pid]),
            Err(status) => status,
        };
        match is_last {
            true => Flow::Exit,
            false => Flow::Next,
        }
    }
}
