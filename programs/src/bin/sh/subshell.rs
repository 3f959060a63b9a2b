//! Another shell with this one's state, in place of `fork`.

use posix::prelude::*;
use posix::process::{Authority, Command};
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
        command = command.args(["-I", &self.definitions(), "-c", text]);
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
    fn definitions(&self) -> String {
        let mut text = String::new();
        for (name, variable) in &self.variables {
            if let (false, Some(value)) = (variable.is_exported, &variable.value) {
                text.push_str(&format!("{name}={}\n", quoted(value)));
            }
            if variable.is_readonly {
                text.push_str(&format!("readonly {name}\n"));
            }
        }
        for command in self.functions.values() {
            text.push_str(&format!("{command}\n"));
        }
        for (name, value) in &*self.aliases {
            text.push_str(&format!("alias {name}={}\n", quoted(value)));
        }
        text
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

/// `text` in single quotes.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}
