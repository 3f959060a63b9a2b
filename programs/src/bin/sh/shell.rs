//! The state of a shell: variables, functions, options, status.

use alloc::collections::BTreeMap;

use posix::prelude::*;
use posix::{env, process};
use shell_language::{Command, ParseError, Parser};

use crate::jobs::Jobs;
use crate::redirect::Saved;

/// A shell variable.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    /// Its value.
    pub value: String,
    /// Programs get it too.
    pub is_exported: bool,
    /// It may not change.
    pub is_readonly: bool,
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

/// Bytes of the stack that commands within commands may take, so that 72 KiB
/// of the usual 256 are left to the innermost one and to the kernel.
const NESTING_BYTES_MAX: usize = 160 * 1024;

/// A running shell.
pub struct Shell {
    /// Variables by name.
    pub variables: BTreeMap<String, Variable>,
    /// Functions by name.
    pub functions: BTreeMap<String, Command>,
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
    /// `set -e`.
    pub exits_on_error: bool,
    /// `set -x`.
    pub is_tracing: bool,
    /// The status of what runs is being tested, so `set -e` does not apply.
    pub tested_depth: u32,
    /// Loops around what runs.
    pub loop_depth: u32,
    /// Functions and sourced files around what runs.
    pub call_depth: u32,
    /// Where the stack was when the shell began.
    stack_start: usize,
    /// Descriptors that redirections of builtins have put aside.
    pub saved: Saved,
    /// Status of the last `$(…)` of the command being expanded.
    pub substitution_status: Option<i32>,
    /// Lines entered, for `history`.
    pub history: Vec<String>,
}

impl Shell {
    /// A shell with the variables of its environment.
    pub fn new() -> Self {
        let mut variables = BTreeMap::new();
        for (name, value) in env::vars() {
            variables.insert(
                name,
                Variable {
                    value,
                    is_exported: true,
                    is_readonly: false,
                },
            );
        }
        for (name, value) in [("PATH", "/bin"), ("IFS", " \t\n")] {
            let variable = Variable {
                value: value.into(),
                ..Variable::default()
            };
            variables.entry(name.into()).or_insert(variable);
        }
        Self {
            variables,
            functions: BTreeMap::new(),
            arguments: Vec::new(),
            script_name: "sh".into(),
            status: 0,
            process_id: process::id(),
            jobs: Jobs::default(),
            is_interactive: false,
            exits_on_error: false,
            is_tracing: false,
            tested_depth: 0,
            loop_depth: 0,
            call_depth: 0,
            stack_start: stack_address(),
            saved: Saved::default(),
            substitution_status: None,
            history: Vec::new(),
        }
    }

    /// Runs text.
    pub fn run_text(&mut self, text: &str) -> Flow {
        match Parser::parse(text) {
            Ok(program) => self.run_program(&program),
            Err(error) => {
                self.refuse(&error);
                Flow::Next
            }
        }
    }

    /// Reports text that cannot be parsed.
    pub fn refuse(&mut self, error: &ParseError) {
        self.complain(&format!("syntax error: {error}"));
        self.status = 2;
    }

    /// Writes a message of the shell to standard error.
    pub fn complain(&self, message: &str) {
        let name = posix::path::file_name(&self.script_name);
        eprintln!("{name}: {message}");
    }

    /// Whether commands are nested so deeply that another might overflow the stack.
    pub fn is_deep(&self) -> bool {
        self.stack_start.saturating_sub(stack_address()) > NESTING_BYTES_MAX
    }

    /// The value of a variable.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| &*variable.value)
    }

    /// Sets a variable; false if it may not change.
    pub fn assign(&mut self, name: &str, value: &str) -> bool {
        let variable = self.variables.entry(name.into()).or_default();
        if variable.is_readonly {
            return false;
        }
        value.clone_into(&mut variable.value);
        if variable.is_exported {
            env::set_var(name, value);
        }
        true
    }

    /// Makes a variable part of the environment of programs.
    pub fn export(&mut self, name: &str) {
        let variable = self.variables.entry(name.into()).or_default();
        variable.is_exported = true;
        env::set_var(name, &variable.value);
    }

    /// Removes a variable; false if it may not change.
    pub fn unset(&mut self, name: &str) -> bool {
        if self
            .variables
            .get(name)
            .is_some_and(|variable| variable.is_readonly)
        {
            return false;
        }
        self.variables.remove(name);
        env::remove_var(name);
        true
    }
}

/// About where the stack ends now.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}
