//! Simple commands: assignments, redirections, and what is run by its name.

use alloc::sync::Arc;

use posix::prelude::*;
use posix::process;
use shell_language::{
    Assignment, Command, ExpandError, Redirection, SimpleCommand, Word, expand_all,
    expand_declaration, expand_to_string,
};

use crate::builtins;
use crate::redirect::Plan;
use crate::shell::{AssignError, Flow, Hidden, STATUS_NO_ROOM, Shell};

/// Commands whose arguments may be assignments.
const DECLARING: [&str; 3] = ["export", "local", "readonly"];

impl Shell {
    /// Runs a simple command.
    pub fn run_simple(&mut self, simple: &SimpleCommand) -> Flow {
        self.substitution_status = None;
        let words = match self.expand_words(&simple.words) {
            Ok(words) => words,
            Err(error) => return self.give_up_expansion(&error),
        };
        let Some(name) = words.first() else {
            return self.run_assignments(simple);
        };
        if builtins::is_special(name) && !self.functions.contains_key(name) {
            return self.run_special(&words, simple);
        }
        let mut hidden = Vec::new();
        let flow = match self.assign_for_command(&simple.assignments, &mut hidden) {
            Ok(()) => self.run_words(&words, simple),
            Err(flow) => flow,
        };
        self.uncover(hidden);
        flow
    }

    /// The words of a command, expanded.
    pub fn expand_words(&mut self, words: &[Word]) -> Result<Vec<String>, ExpandError> {
        let name = words.first().and_then(Word::as_literal);
        match name.is_some_and(|name| DECLARING.contains(&name)) {
            true => expand_declaration(words, self),
            false => expand_all(words, self),
        }
    }

    fn trace(&self, words: &[String]) {
        if self.options.has("xtrace") {
            let prefix = self.value("PS4").unwrap_or_default();
            eprintln!("{prefix}{}", words.join(" "));
        }
    }

    /// A command that is nothing but assignments and redirections.
    fn run_assignments(&mut self, simple: &SimpleCommand) -> Flow {
        let Some(undo) = self.redirect(&simple.redirections) else {
            self.status = 2;
            return Flow::Next;
        };
        let assigned = self.assign_all(&simple.assignments);
        self.undo(undo);
        match assigned {
            Ok(()) => {
                self.status = self.substitution_status.take().unwrap_or(0);
                Flow::Next
            }
            Err(flow) => flow,
        }
    }

    /// Assigns for good; what a failure leads to.
    fn assign_all(&mut self, assignments: &[Assignment]) -> Result<(), Flow> {
        for assignment in assignments {
            match expand_to_string(&assignment.value, self) {
                Ok(value) => {
                    self.trace(&[format!("{}={value}", assignment.name)]);
                    if let Err(error) = self.assign(&assignment.name, &value) {
                        return Err(self.refuse_assignment(&assignment.name, error));
                    }
                }
                Err(error) => return Err(self.give_up_expansion(&error)),
            }
        }
        Ok(())
    }

    /// Assigns and exports for one command; what is hidden by that goes to `hidden`.
    pub fn assign_for_command(
        &mut self,
        assignments: &[Assignment],
        hidden: &mut Vec<Hidden>,
    ) -> Result<(), Flow> {
        for assignment in assignments {
            let value = expand_to_string(&assignment.value, self);
            let value = value.map_err(|error| self.give_up_expansion(&error))?;
            hidden.push(self.hide(&assignment.name));
            if let Err(error) = self.assign(&assignment.name, &value) {
                return Err(self.refuse_assignment(&assignment.name, error));
            }
            self.export(&assignment.name);
        }
        Ok(())
    }

    /// Says why a variable cannot be set, which ends a script unless it has no room.
    pub fn refuse_assignment(&mut self, name: &str, error: AssignError) -> Flow {
        self.complain(&format!("{name}: {error}"));
        self.give_up_unless(error == AssignError::NoRoom)
    }

    /// Says why a word has no value, which ends a script unless it is too long.
    pub fn give_up_expansion(&mut self, error: &ExpandError) -> Flow {
        self.complain(&error.to_string());
        self.give_up_unless(*error == ExpandError::TooLong)
    }

    /// A mistake ends a script; what a program prints does not.
    fn give_up_unless(&mut self, is_without_room: bool) -> Flow {
        if is_without_room {
            self.status = STATUS_NO_ROOM;
            return Flow::Next;
        }
        self.status = 2;
        self.give_up()
    }

    /// A special builtin: assignments before it stay, its mistakes end a script.
    fn run_special(&mut self, words: &[String], simple: &SimpleCommand) -> Flow {
        self.trace(words);
        let Some(undo) = self.redirect(&simple.redirections) else {
            self.status = 2;
            return self.give_up();
        };
        let assigned = self.assign_all(&simple.assignments);
        if words[0] == "exec" {
            self.keep(undo);
            for assignment in &simple.assignments {
                self.export(&assignment.name);
            }
            return match assigned {
                Ok(()) => self.run_exec(&words[1..]),
                Err(flow) => flow,
            };
        }
        let flow = match assigned {
            Ok(()) => self.run_builtin(words),
            Err(flow) => flow,
        };
        self.undo(undo);
        flow
    }

    /// A function, an ordinary builtin or a program.
    fn run_words(&mut self, words: &[String], simple: &SimpleCommand) -> Flow {
        self.trace(words);
        if let Some(function) = self.functions.get(&words[0]).cloned() {
            return self.run_redirected(&simple.redirections, |shell| shell.call(&function, words));
        }
        if builtins::is_builtin(&words[0]) {
            return self.run_redirected(&simple.redirections, |shell| shell.run_builtin(words));
        }
        let mut plan = Plan::default();
        self.status = match self.plan(&simple.redirections, &mut plan) {
            false => 2,
            true => match self.start_program(words, &plan) {
                Ok(pid) => {
                    drop(plan);
                    self.wait_foreground(&[pid])
                }
                Err(status) => status,
            },
        };
        Flow::Next
    }

    /// `exec`, redirections done: what it starts is the last thing the shell does,
    /// since a domain cannot replace its image.
    fn run_exec(&mut self, words: &[String]) -> Flow {
        self.status = 0;
        if words.is_empty() {
            return Flow::Next;
        }
        // Another program would not know of these.
        self.traps.clear();
        self.status = match self.start_program(words, &Plan::default()) {
            Ok(pid) => self.wait_foreground(&[pid]),
            Err(status) => status,
        };
        Flow::Exit
    }

    /// Runs something with the shell's own descriptors redirected.
    pub fn run_redirected(
        &mut self,
        redirections: &[Redirection],
        body: impl FnOnce(&mut Self) -> Flow,
    ) -> Flow {
        let Some(undo) = self.redirect(redirections) else {
            self.status = 2;
            return Flow::Next;
        };
        let flow = body(self);
        self.undo(undo);
        flow
    }

    /// Calls a function.
    fn call(&mut self, function: &Arc<Command>, words: &[String]) -> Flow {
        let Command::Function { body, .. } = &**function else {
            return Flow::Next;
        };
        if !self.may_grow() {
            return Flow::Next;
        }
        let arguments = core::mem::replace(&mut self.arguments, words[1..].to_vec());
        let loops = core::mem::take(&mut self.loop_depth);
        self.call_depth += 1;
        self.locals.push(Vec::new());
        let flow = self.run_command(body);
        let hidden = self.locals.pop().unwrap_or_default();
        self.uncover(hidden);
        self.call_depth -= 1;
        self.loop_depth = loops;
        self.arguments = arguments;
        if flow == Flow::Return {
            Flow::Next
        } else {
            flow
        }
    }

    /// Ends at once, as a program does that a signal ends.
    pub fn end_by_signal(number: usize) -> ! {
        process::exit(128 + i32::try_from(number).unwrap_or(0))
    }
}
