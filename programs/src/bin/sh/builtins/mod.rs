//! Commands the shell runs itself.

mod text;

use posix::prelude::*;
use posix::{env, fs, io, path, process};
use shell_language::is_name;

use crate::shell::{Flow, Shell};
use crate::subshell::quoted;

/// Names of all builtins.
pub const NAMES: [&str; 31] = [
    ".", ":", "[", "admin", "break", "cd", "command", "continue", "echo", "eval", "exec", "exit",
    "export", "false", "fg", "history", "jobs", "kill", "printf", "pwd", "read", "readonly",
    "return", "set", "shift", "test", "true", "type", "umask", "unset", "wait",
];

/// Whether the shell runs commands of this name itself.
pub fn is_builtin(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

impl Shell {
    /// Runs a builtin; `words` begins with its name.
    pub fn run_builtin(&mut self, words: &[String]) -> Flow {
        let arguments = &words[1..];
        let flow = match &*words[0] {
            "break" | "continue" => return self.leave_loop(&words[0], arguments),
            "return" | "exit" => return self.leave(&words[0], arguments),
            "eval" => return self.run_text(&arguments.join(" ")),
            "." => return self.source(arguments),
            "admin" => return self.run_admin(arguments),
            "command" => return self.run_command_builtin(arguments),
            _ => Flow::Next,
        };
        self.status = match &*words[0] {
            "false" => 1,
            "cd" => self.change_directory(arguments),
            "pwd" => self.print_directory(),
            "echo" => text::echo(arguments),
            "printf" => self.printf(arguments),
            "export" | "readonly" => self.mark(&words[0], arguments),
            "unset" => self.unset_all(arguments),
            "set" => self.set(arguments),
            "shift" => self.shift(arguments),
            "read" => self.read(arguments),
            "test" | "[" => self.test(words),
            "wait" => self.builtin_wait(arguments),
            "jobs" => self.builtin_jobs(),
            "fg" => self.builtin_foreground(arguments),
            "kill" => self.kill(arguments),
            "type" => self.print_types(arguments),
            "history" => {
                for (index, line) in self.history.iter().enumerate() {
                    println!("{:5}  {line}", index + 1);
                }
                0
            }
            "umask" => {
                println!("0022");
                0
            }
            _ => 0,
        };
        flow
    }

    fn number(&self, name: &str, arguments: &[String], default: u32) -> Option<u32> {
        let Some(text) = arguments.first() else {
            return Some(default);
        };
        let number = text.parse().ok();
        if number.is_none() {
            self.complain(&format!("{name}: {text}: not a number"));
        }
        number
    }

    fn leave_loop(&mut self, name: &str, arguments: &[String]) -> Flow {
        let Some(levels) = self.number(name, arguments, 1).filter(|levels| *levels > 0) else {
            self.status = 2;
            return Flow::Next;
        };
        self.status = 0;
        if self.loop_depth == 0 {
            return Flow::Next;
        }
        let levels = levels.min(self.loop_depth);
        if name == "break" {
            Flow::Break(levels)
        } else {
            Flow::Continue(levels)
        }
    }

    fn leave(&mut self, name: &str, arguments: &[String]) -> Flow {
        let current = u32::try_from(self.status).unwrap_or(1);
        let status = self.number(name, arguments, current).unwrap_or(2);
        self.status = i32::try_from(status & 0xff).unwrap_or(2);
        if name == "return" && self.call_depth > 0 {
            Flow::Return
        } else {
            Flow::Exit
        }
    }

    fn source(&mut self, arguments: &[String]) -> Flow {
        let Some(name) = arguments.first() else {
            self.complain(".: which file?");
            self.status = 2;
            return Flow::Next;
        };
        match fs::read_to_string(name) {
            Ok(text) => {
                self.call_depth += 1;
                let flow = self.run_text(&text);
                self.call_depth -= 1;
                if flow == Flow::Return {
                    Flow::Next
                } else {
                    flow
                }
            }
            Err(error) => {
                self.complain(&format!("{name}: {error}"));
                self.status = 1;
                Flow::Next
            }
        }
    }

    /// Runs a program that may administer the system, if this shell may.
    fn run_admin(&mut self, arguments: &[String]) -> Flow {
        let Some(name) = arguments.first() else {
            self.complain("admin: which program may administer the system?");
            self.status = 2;
            return Flow::Next;
        };
        if is_builtin(name) {
            return self.run_builtin(arguments);
        }
        let plan = crate::redirect::Plan::default();
        let authority = Some(process::Authority::HandOn);
        self.status = match self.start_program_as(authority, arguments, &[], &plan) {
            Ok(pid) => self.wait_foreground(&[pid]),
            Err(status) => status,
        };
        Flow::Next
    }

    fn run_command_builtin(&mut self, arguments: &[String]) -> Flow {
        match arguments {
            [] => {
                self.status = 0;
                Flow::Next
            }
            [option, names @ ..] if option == "-v" || option == "-V" => {
                self.status = self.print_types(names);
                Flow::Next
            }
            words if is_builtin(&words[0]) => self.run_builtin(words),
            words => {
                self.status =
                    match self.start_program(words, &[], &crate::redirect::Plan::default()) {
                        Ok(pid) => self.wait_foreground(&[pid]),
                        Err(status) => status,
                    };
                Flow::Next
            }
        }
    }

    fn change_directory(&mut self, arguments: &[String]) -> i32 {
        let home = self.value("HOME").unwrap_or("/").to_string();
        let target = match arguments.first().map(String::as_str) {
            None => home,
            Some("-") => match self.value("OLDPWD") {
                Some(before) => before.to_string(),
                None => {
                    self.complain("cd: there was no directory before");
                    return 1;
                }
            },
            Some(target) => target.to_string(),
        };
        let before = env::current_dir().unwrap_or_default();
        if let Err(error) = env::set_current_dir(&target) {
            self.complain(&format!("cd: {target}: {error}"));
            return 1;
        }
        let now = env::current_dir().unwrap_or_default();
        if arguments.first().is_some_and(|first| first == "-") {
            println!("{now}");
        }
        self.assign("OLDPWD", &before);
        self.assign("PWD", &now);
        0
    }

    fn print_directory(&self) -> i32 {
        match env::current_dir() {
            Ok(directory) => {
                println!("{directory}");
                0
            }
            Err(error) => {
                self.complain(&format!("pwd: {error}"));
                1
            }
        }
    }

    fn mark(&mut self, builtin: &str, arguments: &[String]) -> i32 {
        let is_export = builtin == "export";
        let names: Vec<&String> = arguments.iter().filter(|name| *name != "-p").collect();
        if names.is_empty() {
            for (name, variable) in &self.variables {
                if (is_export && variable.is_exported) || (!is_export && variable.is_readonly) {
                    println!("{builtin} {name}={}", quoted(&variable.value));
                }
            }
        }
        for argument in names {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (&**argument, None),
            };
            if !is_name(name) {
                self.complain(&format!("{builtin}: {name}: not a name"));
                return 1;
            }
            if value.is_some_and(|value| !self.assign(name, value)) {
                self.complain(&format!("{builtin}: {name}: is read only"));
                return 1;
            }
            if is_export {
                self.export(name);
            } else {
                self.variables.entry(name.into()).or_default().is_readonly = true;
            }
        }
        0
    }

    fn unset_all(&mut self, arguments: &[String]) -> i32 {
        let is_function = arguments.first().is_some_and(|first| first == "-f");
        for name in arguments
            .iter()
            .filter(|name| !matches!(&***name, "-f" | "-v"))
        {
            if is_function {
                self.functions.remove(name);
            } else if !self.unset(name) {
                self.complain(&format!("unset: {name}: is read only"));
                return 1;
            }
        }
        0
    }

    fn set(&mut self, arguments: &[String]) -> i32 {
        if arguments.is_empty() {
            for (name, variable) in &self.variables {
                println!("{name}={}", quoted(&variable.value));
            }
        }
        for (index, argument) in arguments.iter().enumerate() {
            let letters = match argument.split_at_checked(1) {
                _ if argument == "--" => {
                    self.arguments = arguments[index + 1..].to_vec();
                    return 0;
                }
                Some((sign @ ("-" | "+"), letters)) if !letters.is_empty() => (sign, letters),
                _ => {
                    self.arguments = arguments[index..].to_vec();
                    return 0;
                }
            };
            for letter in letters.1.chars() {
                match letter {
                    'e' => self.exits_on_error = letters.0 == "-",
                    'x' => self.is_tracing = letters.0 == "-",
                    _ => {
                        self.complain(&format!("set: unknown option {}{letter}", letters.0));
                        return 2;
                    }
                }
            }
        }
        0
    }

    fn shift(&mut self, arguments: &[String]) -> i32 {
        let Some(count) = self.number("shift", arguments, 1) else {
            return 2;
        };
        let count = count as usize;
        if count > self.arguments.len() {
            self.complain("shift: not so many arguments");
            return 1;
        }
        self.arguments.drain(..count);
        0
    }

    fn read(&mut self, arguments: &[String]) -> i32 {
        let is_raw = arguments.first().is_some_and(|first| first == "-r");
        let names = &arguments[usize::from(is_raw)..];
        let _ = io::stdout().flush();
        let (line, is_complete) = match read_line(is_raw) {
            Ok(line) => line,
            Err(error) => {
                self.complain(&format!("read: {error}"));
                return 1;
            }
        };
        let separators = self.value("IFS").unwrap_or(" \t\n").to_string();
        let is_separator = |character: char| separators.contains(character);
        let mut rest = line.trim_matches(is_separator);
        let default = [String::from("REPLY")];
        let names = if names.is_empty() {
            &default[..]
        } else {
            names
        };
        for (index, name) in names.iter().enumerate() {
            let value = match (index + 1 == names.len(), rest.split_once(is_separator)) {
                (false, Some((field, others))) => {
                    rest = others.trim_start_matches(is_separator);
                    field
                }
                _ => core::mem::take(&mut rest),
            };
            if !self.assign(name, value) {
                self.complain(&format!("read: {name}: is read only"));
                return 1;
            }
        }
        i32::from(!is_complete)
    }

    fn kill(&self, arguments: &[String]) -> i32 {
        let mut status = 0;
        let mut count = 0;
        for argument in arguments
            .iter()
            .filter(|argument| !argument.starts_with('-'))
        {
            count += 1;
            let result = match self.process_of(argument) {
                Some(pid) => process::kill(pid).map_err(|error| error.to_string()),
                None => Err("not a process number or job".into()),
            };
            if let Err(reason) = result {
                self.complain(&format!("kill: {argument}: {reason}"));
                status = 1;
            }
        }
        if count == 0 {
            self.complain("usage: kill PID...");
            return 2;
        }
        status
    }

    fn print_types(&self, names: &[String]) -> i32 {
        let mut status = 0;
        for name in names {
            if self.functions.contains_key(name) {
                println!("{name} is a function");
            } else if is_builtin(name) {
                println!("{name} is a shell builtin");
            } else if name.contains('/') && fs::exists(name) {
                println!("{name} is {}", path::join("", name));
            } else if let Some(path) = self.find_program(name) {
                println!("{name} is {path}");
            } else {
                self.complain(&format!("{name}: not found"));
                status = 127;
            }
        }
        status
    }
}

/// A line of standard input, and whether it ended in a newline. Not a byte more
/// is read, since programs started later want the rest.
fn read_line(is_raw: bool) -> io::Result<(String, bool)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    loop {
        if io::stdin().read_unbuffered(&mut byte)? == 0 {
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), false));
        }
        match byte[0] {
            b'\n' => return Ok((String::from_utf8_lossy(&bytes).into_owned(), true)),
            b'\\' if !is_raw => {
                if io::stdin().read_unbuffered(&mut byte)? == 1 && byte[0] != b'\n' {
                    bytes.push(byte[0]);
                }
            }
            other => bytes.push(other),
        }
    }
}
