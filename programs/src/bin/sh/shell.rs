//! The state of a shell: variables, functions, options, status.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;

use posix::prelude::*;
use posix::{env, process};
use shell_language::{Aliases, Command, ParseError, Parser, Script};

use crate::builtins::getopts::Scan;
use crate::depth::Depth;
use crate::jobs::Jobs;
use crate::memory;
use crate::options::OptionSet;
use crate::redirect::Saved;
use crate::trap::Traps;

/// A shell variable.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    /// Its value; `None` while it has attributes only.
    pub value: Option<String>,
    /// Programs get it too.
    pub is_exported: bool,
    /// It may not change.
    pub is_readonly: bool,
}

/// A variable as it was before something hid it.
pub type Hidden = (String, Option<Variable>);

/// Bytes of a value that takes no more than the variable it belongs to.
const SHORT: usize = 256;

/// Status of a command for which there is no room.
pub const STATUS_NO_ROOM: i32 = 1;

/// Why a variable cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignError {
    /// It may not change.
    ReadOnly,
    /// The shell keeps too much already.
    NoRoom,
}

impl fmt::Display for AssignError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ReadOnly => "is read only",
            Self::NoRoom => "no room for its value",
        })
    }
}

/// What a command leads to, besides its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next command.
    Next,
    /// The end of this many loops.
    Break(u32),
    /// The next turn of the loop this many levels up.
    Continue(u32),
    /// The end of a function or sourced file.
    Return,
    /// The end of the shell.
    Exit,
    /// Back to the prompt.
    Interrupted,
}

/// A running shell.
#[derive(Default)]
pub struct Shell {
    /// Variables by name.
    pub variables: BTreeMap<String, Variable>,
    /// Functions by name.
    pub functions: BTreeMap<String, Arc<Command>>,
    /// Aliases by name.
    pub aliases: Arc<Aliases>,
    /// `$1`, `$2`, ….
    pub arguments: Vec<String>,
    /// `$0`.
    pub script_name: String,
    /// `$?`.
    pub status: i32,
    /// `$$`.
    pub process_id: u32,
    /// Background commands.
    pub jobs: Jobs,
    /// A person sits at it.
    pub is_interactive: bool,
    /// What `set` has set.
    pub options: OptionSet,
    /// What `trap` has set.
    pub traps: Traps,
    /// The status of what runs is being tested, so `set -e` does not apply.
    pub tested_depth: u32,
    /// Loops around what runs.
    pub loop_depth: u32,
    /// Functions and sourced files around what runs.
    pub call_depth: u32,
    /// For each function around what runs, the variables that `local` has hidden.
    pub locals: Vec<Vec<Hidden>>,
    /// Where the stack is, and how far it may go.
    pub depth: Depth,
    /// Descriptors that redirections of builtins have put aside.
    pub saved: Saved,
    /// Status of the last `$(…)` of the command being expanded.
    pub substitution_status: Option<i32>,
    /// `command` runs a builtin: its mistakes do not end the shell.
    pub is_forgiving: bool,
    /// Where `getopts` is.
    pub scan: Scan,
    /// The working directory as it was reached, by symbolic links or not.
    pub directory: String,
    /// Lines entered, for `history`.
    pub history: Vec<String>,
}

impl Shell {
    /// A shell with the variables of its environment.
    pub fn new() -> Self {
        let mut shell = Self {
            script_name: "sh".into(),
            process_id: process::id(),
            depth: Depth::of_main(),
            ..Self::default()
        };
        for (name, value) in env::vars() {
            let variable = Variable {
                value: Some(value),
                is_exported: true,
                is_readonly: false,
            };
            shell.variables.insert(name, variable);
        }
        if shell.value("PATH").is_none() {
            shell.assign_own("PATH", "/bin");
        }
        let parent = process::parent_id().to_string();
        // These are never taken from the environment.
        for (name, value) in [("IFS", " \t\n"), ("OPTIND", "1"), ("PPID", &*parent)] {
            shell.assign_own(name, value);
        }
        if shell.value("PS4").is_none() {
            shell.assign_own("PS4", "+ ");
        }
        shell.find_directory();
        shell
    }

    /// Runs text, one complete command after the other.
    pub fn run_text(&mut self, text: &str) -> Flow {
        self.run_lines(text, false)
    }

    /// Runs the text of a script, which `set -v` shows.
    pub fn run_script(&mut self, text: &str) -> Flow {
        self.run_lines(text, true)
    }

    /// Runs text that a shell has written, in which no alias is left.
    pub fn run_parsed(&mut self, text: &str) -> Flow {
        match Parser::parse(text) {
            Ok(program) => self.run_program(&program),
            Err(error) => {
                self.refuse(&error);
                self.give_up()
            }
        }
    }

    fn run_lines(&mut self, text: &str, is_shown: bool) -> Flow {
        let mut script = Script::new(text);
        let mut is_first = true;
        loop {
            let shown = script.text_parsed().len();
            match script.next_command(&self.aliases) {
                Ok(Some(program)) => {
                    if is_shown && self.options.has("verbose") {
                        eprint!("{}", &script.text_parsed()[shown..]);
                    }
                    let flow = self.run_program(&program);
                    if flow != Flow::Next {
                        return flow;
                    }
                }
                Ok(None) => {
                    if is_first {
                        self.status = 0;
                    }
                    return Flow::Next;
                }
                Err(error) => {
                    self.refuse(&error);
                    return self.give_up();
                }
            }
            is_first = false;
        }
    }

    /// Reports text that cannot be parsed.
    pub fn refuse(&mut self, error: &ParseError) {
        self.complain(&format!("syntax error: {error}"));
        self.status = 2;
    }

    /// After an error that ends a script, but only one line at the prompt.
    pub const fn give_up(&self) -> Flow {
        if self.is_interactive {
            Flow::Interrupted
        } else {
            Flow::Exit
        }
    }

    /// Writes a message of the shell to standard error.
    pub fn complain(&self, message: &str) {
        let name = posix::path::file_name(&self.script_name);
        eprintln!("{name}: {message}");
    }

    /// The value of a variable.
    pub fn value(&self, name: &str) -> Option<&str> {
        let variable = self.variables.get(name)?;
        variable.value.as_deref()
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// It may not change, or there is no room for its value.
    pub fn assign(&mut self, name: &str, value: &str) -> Result<(), AssignError> {
        // An exported one is kept twice. What is as short as a status always finds room.
        if value.len() > SHORT && !memory::may_keep(2 * value.len()) {
            return Err(AssignError::NoRoom);
        }
        let is_known = self.variables.contains_key(name);
        if !is_known && !memory::may_keep(name.len() + SHORT) {
            return Err(AssignError::NoRoom);
        }
        let variable = self.variables.entry(name.into()).or_default();
        if variable.is_readonly {
            return Err(AssignError::ReadOnly);
        }
        variable.value = Some(value.into());
        variable.is_exported |= self.options.has("allexport");
        if variable.is_exported {
            env::set_var(name, value);
        }
        if name == "OPTIND" {
            self.scan = Scan::default();
        }
        Ok(())
    }

    /// Sets a variable of the shell's own; where it may not change it stays as it is.
    pub fn assign_own(&mut self, name: &str, value: &str) {
        let _ = self.assign(name, value);
    }

    /// Whether the shell may keep more than it does; else says that it may not.
    pub fn may_grow(&mut self) -> bool {
        let may = memory::may_keep(0);
        if !may {
            self.complain("out of memory: what the shell keeps is too much");
            self.status = STATUS_NO_ROOM;
        }
        may
    }

    /// Makes a variable part of the environment of programs.
    pub fn export(&mut self, name: &str) {
        let variable = self.variables.entry(name.into()).or_default();
        variable.is_exported = true;
        if let Some(value) = &variable.value {
            env::set_var(name, value);
        }
    }

    /// Removes a variable; false if it may not change.
    pub fn unset(&mut self, name: &str) -> bool {
        let variable = self.variables.get(name);
        if variable.is_some_and(|variable| variable.is_readonly) {
            return false;
        }
        self.variables.remove(name);
        env::remove_var(name);
        true
    }

    /// The variable as it is, to be given back by [`Self::uncover`].
    pub fn hide(&self, name: &str) -> Hidden {
        (name.into(), self.variables.get(name).cloned())
    }

    /// Gives variables back what they were before they were hidden.
    pub fn uncover(&mut self, hidden: Vec<Hidden>) {
        for (name, variable) in hidden.into_iter().rev() {
            env::remove_var(&name);
            self.variables.remove(&name);
            if let Some(variable) = variable {
                if let (true, Some(value)) = (variable.is_exported, &variable.value) {
                    env::set_var(&name, value);
                }
                self.variables.insert(name, variable);
            }
        }
    }
}
