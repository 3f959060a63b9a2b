//! Commands the shell runs itself, by families.

mod alias;
mod control;
mod directory;
pub mod getopts;
mod limits;
mod lookup;
mod processes;
mod read;
mod set;
mod text;
mod variables;

use posix::prelude::*;

use crate::shell::{Flow, Shell};

/// What a builtin answers: its status, or what is wrong with how it was called.
pub type Answer = Result<i32, String>;

/// Names of all builtins.
pub const NAMES: [&str; 39] = [
    ".", ":", "[", "admin", "alias", "break", "cd", "command", "continue", "echo", "eval", "exec",
    "exit", "export", "false", "fg", "getopts", "hash", "history", "jobs", "kill", "local",
    "printf", "pwd", "read", "readonly", "return", "set", "shift", "test", "times", "trap", "true",
    "type", "ulimit", "umask", "unalias", "unset", "wait",
];

/// Those that POSIX calls special, and `local`: a mistake ends a script, and assignments before
/// them stay.
const SPECIAL: [&str; 16] = [
    ".", ":", "break", "continue", "eval", "exec", "exit", "export", "local", "readonly", "return",
    "set", "shift", "times", "trap", "unset",
];

/// Status of a builtin that was called wrongly.
const STATUS_WRONG: i32 = 2;

/// Whether the shell runs commands of this name itself.
pub fn is_builtin(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

/// Whether it is one of the special builtins.
pub fn is_special(name: &str) -> bool {
    SPECIAL.binary_search(&name).is_ok()
}

impl Shell {
    /// Runs a builtin; `words` begins with its name.
    pub fn run_builtin(&mut self, words: &[String]) -> Flow {
        let arguments = &words[1..];
        let flow = match &*words[0] {
            "break" | "continue" => self.leave_loop(&words[0], arguments),
            "return" | "exit" => self.leave(&words[0], arguments),
            "eval" => Ok(self.run_text(&operands(arguments).join(" "))),
            "." => self.source(arguments),
            "admin" => Ok(self.run_admin(arguments)),
            "command" => Ok(self.run_command_builtin(arguments)),
            "kill" => Ok(self.builtin_kill(arguments)),
            _ => self.run_utility(words).map(|status| {
                self.status = status;
                Flow::Next
            }),
        };
        // What else runs, in the background or next, writes behind it.
        self.flush();
        flow.unwrap_or_else(|wrong| self.refuse_call(&words[0], &wrong))
    }

    /// A builtin that only has a status.
    fn run_utility(&mut self, words: &[String]) -> Answer {
        let arguments = &words[1..];
        match &*words[0] {
            "alias" => Ok(self.alias(arguments)),
            "unalias" => self.unalias(arguments),
            "cd" => self.change_directory(arguments),
            "pwd" => self.print_directory(arguments),
            "echo" => Ok(text::echo(arguments)),
            "printf" => Ok(self.printf(arguments)),
            "test" | "[" => Ok(self.test(words)),
            "export" | "readonly" => self.mark(&words[0], arguments),
            "local" => self.local(arguments),
            "unset" => self.unset_all(arguments),
            "set" => self.set(arguments),
            "shift" => self.shift(arguments),
            "getopts" => self.getopts(arguments),
            "read" => self.read(arguments),
            "trap" => self.builtin_trap(arguments),
            "wait" => Ok(self.builtin_wait(arguments)),
            "jobs" => Ok(self.builtin_jobs()),
            "fg" => Ok(self.builtin_foreground(arguments)),
            "type" => Ok(self.describe_all(arguments)),
            "hash" => Ok(self.hash(arguments)),
            "umask" => limits::umask(arguments),
            "ulimit" => limits::ulimit(arguments),
            "times" => limits::times(),
            "history" => Ok(self.print_history()),
            "false" => Ok(1),
            _ => Ok(0),
        }
    }

    /// Says what is wrong with a call; of a special builtin that ends a script.
    fn refuse_call(&mut self, name: &str, wrong: &str) -> Flow {
        self.complain(&format!("{name}: {wrong}"));
        self.status = STATUS_WRONG;
        match is_special(name) && !self.is_forgiving {
            true => self.give_up(),
            false => Flow::Next,
        }
    }

    fn print_history(&self) -> i32 {
        for (index, line) in self.history.iter().enumerate() {
            println!("{:5}  {line}", index + 1);
        }
        0
    }
}

/// The operands of a utility without options.
fn operands(arguments: &[String]) -> &[String] {
    match arguments {
        [first, rest @ ..] if first == "--" => rest,
        all => all,
    }
}

/// The number that a text is.
fn number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let number = digits.parse();
    number.map_err(|_| format!("{text}: not a number"))
}
