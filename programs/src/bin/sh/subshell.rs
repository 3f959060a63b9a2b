//! Another shell with this one's state, in place of `fork`.

use core::fmt::{self, Write as _};

use posix::prelude::*;
use posix::process::{ARG_MAX, Authority, Command, Errno};
use posix::{env, io};

use crate::shell::Shell;

/// The program started for a subshell.
const PROGRAM: &str = "/bin/sh";

impl Shell {
    /// Starts a shell that knows what this one knows and runs `text`; its
    /// process number. `descriptors` are pairs of its and this shell's numbers.
    ///
    /// # Errors
    /// As `spawn`.
    pub fn start_subshell(&self, text: &str, descriptors: &[(u32, u32)]) -> io::Result<u32> {
        let too_much = || io::Error::from(Errno::E2BIG);
        if self.is_too_much_to_pass(&self.arguments) || text.len() > ARG_MAX {
            return Err(too_much());
        }
        let definitions = self.definitions().map_err(|_| too_much())?;
        let mut command = Command::new(PROGRAM).env_clear();
        // It is the same script.
        command = command.authority(Authority::HandOnIfAny);
        for (name, value) in env::vars() {
            command = command.env(&name, &value);
        }
        let is_tested = u32::from(self.tested_depth > 0);
        let background = self.jobs.last().unwrap_or(0);
        let state = format!(
            "{} {} {is_tested} {background}",
            self.status, self.process_id
        );
        command = command.args(["-P", &state]);
        for (letter, name) in self.options.names_in_force() {
            command = match letter {
                '-' => command.args(["-o", name]),
                letter => command.arg(&format!("-{letter}")),
            };
        }
        command = command.args(["-I", &definitions, "-c", text]);
        command = command.arg(&self.script_name).args(&self.arguments);
        for number in self.saved.kept() {
            command = command.descriptor(number, number);
        }
        for (child, parent) in descriptors {
            command = command.descriptor(*parent, *child);
        }
        command.spawn().map(|child| child.id())
    }

    /// Text that gives another shell this one's variables and functions.
    fn definitions(&self) -> Result<String, fmt::Error> {
        let mut text = Passed::default();
        for (name, variable) in &self.variables {
            if let (false, Some(value)) = (variable.is_exported, &variable.value) {
                writeln!(text, "{name}={}", Quoted(value))?;
            }
            if variable.is_readonly {
                writeln!(text, "readonly {name}")?;
            }
        }
        for command in self.functions.values() {
            writeln!(text, "{command}")?;
        }
        for (name, value) in &*self.aliases {
            writeln!(text, "alias {name}={}", Quoted(value))?;
        }
        Ok(text.0)
    }

    /// Whether what programs get of this shell is more than one may get.
    pub fn is_too_much_to_pass(&self, arguments: &[String]) -> bool {
        let exported = self.variables.iter().filter(|(_, one)| one.is_exported);
        let variables =
            exported.map(|(name, one)| name.len() + one.value.as_ref().map_or(0, String::len));
        let arguments = arguments.iter().map(String::len);
        variables.chain(arguments).sum::<usize>() > ARG_MAX
    }
}

/// Takes over what options `-I` and `-P` carry: definitions, and the status and
/// `$$` of the shell above, whether it tests this one's, and `$!`.
pub fn inherit(shell: &mut Shell, definitions: &str, inherited: &str) {
    shell.run_text(definitions);
    let mut numbers = inherited.split(' ').map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok);
    shell.status = next()
        .and_then(|status| i32::try_from(status).ok())
        .unwrap_or(0);
    shell.process_id = next().unwrap_or(shell.process_id);
    shell.tested_depth = next().unwrap_or(0);
    shell.jobs.set_last(next().filter(|pid| *pid != 0));
    shell.find_directory();
}

/// Shows a text in single quotes. It is written in pieces, as it may be five times as
/// long as the text.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("'")?;
        for (index, piece) in self.0.split('\'').enumerate() {
            if index > 0 {
                formatter.write_str(r#"'"'"'"#)?;
            }
            formatter.write_str(piece)?;
        }
        formatter.write_str("'")
    }
}

/// A text that is passed to another program, which takes no more than `ARG_MAX`.
#[derive(Default)]
struct Passed(String);

impl fmt::Write for Passed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > ARG_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
