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
        let state = format!("{} {}", self.status, self.process_id);
        command = command.args(["-P", &state]);
        for (is_set, option) in [(self.exits_on_error, "-e"), (self.is_tracing, "-x")] {
            if is_set {
                command = command.arg(option);
            }
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
            if !variable.is_exported {
                text.push_str(&format!("{name}={}\n", quoted(&variable.value)));
            }
            if variable.is_readonly {
                text.push_str(&format!("readonly {name}\n"));
            }
        }
        for command in self.functions.values() {
            text.push_str(&format!("{command}\n"));
        }
        text
    }
}

/// Takes over what options `-I` and `-P` carry: definitions, and the status and
/// `$$` of the shell above.
pub fn inherit(shell: &mut Shell, definitions: &str, inherited: &str) {
    shell.run_text(definitions);
    let mut numbers = inherited.split(' ');
    let status = numbers.next().and_then(|text| text.parse().ok());
    let process_id = numbers.next().and_then(|text| text.parse().ok());
    shell.status = status.unwrap_or(0);
    shell.process_id = process_id.unwrap_or(shell.process_id);
}

/// `text` in single quotes.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
