//! What a name is: `command -v`, `type`, `hash`.

use posix::fs;
use posix::prelude::*;

use super::{is_builtin, is_special, operands};
use crate::shell::Shell;
use crate::subshell::Quoted;

/// Status of a name that means nothing.
const STATUS_NOTHING: i32 = 127;

/// Words that begin or end a compound command.
const RESERVED: [&str; 16] = [
    "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then",
    "until", "while",
];

/// What a name is.
enum Meaning<'a> {
    Reserved,
    Alias(&'a str),
    Special,
    Function,
    Builtin,
    Program(String),
}

impl Shell {
    fn meaning(&self, name: &str) -> Option<Meaning<'_>> {
        if RESERVED.contains(&name) {
            return Some(Meaning::Reserved);
        }
        if let Some(value) = self.aliases.get(name) {
            return Some(Meaning::Alias(value));
        }
        if self.functions.contains_key(name) {
            return Some(Meaning::Function);
        }
        if is_special(name) {
            return Some(Meaning::Special);
        }
        if is_builtin(name) {
            return Some(Meaning::Builtin);
        }
        let path = match name.contains('/') {
            true => Some(String::from(name)).filter(|path| is_program(path)),
            false => self.find_program(name),
        };
        path.map(Meaning::Program)
    }

    /// `command -v`: names what would run.
    pub(super) fn name_all(&self, names: &[String]) -> i32 {
        let mut status = 0;
        for name in names {
            match self.meaning(name) {
                Some(Meaning::Alias(value)) => println!("alias {name}={}", Quoted(value)),
                Some(Meaning::Program(path)) => println!("{path}"),
                Some(_) => println!("{name}"),
                None => status = STATUS_NOTHING,
            }
        }
        status
    }

    /// `type` and `command -V`: describes what would run.
    pub(super) fn describe_all(&self, names: &[String]) -> i32 {
        let mut status = 0;
        for name in operands(names) {
            match self.meaning(name) {
                Some(Meaning::Reserved) => println!("{name} is a shell keyword"),
                Some(Meaning::Alias(value)) => println!("{name} is an alias for {value}"),
                Some(Meaning::Special) => println!("{name} is a special shell builtin"),
                Some(Meaning::Function) => println!("{name} is a shell function"),
                Some(Meaning::Builtin) => println!("{name} is a shell builtin"),
                Some(Meaning::Program(path)) => println!("{name} is {path}"),
                None => {
                    println!("{name}: not found");
                    status = STATUS_NOTHING;
                }
            }
        }
        status
    }

    /// `hash`: nothing is remembered, so it only says whether programs are there.
    pub(super) fn hash(&self, arguments: &[String]) -> i32 {
        let mut status = 0;
        for name in operands(arguments).iter().filter(|name| *name != "-r") {
            let is_known = is_builtin(name) || self.functions.contains_key(name);
            if !is_known && self.find_program(name).is_none() {
                self.complain(&format!("hash: {name}: not found"));
                status = 1;
            }
        }
        status
    }
}

fn is_program(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.attributes().mode & 0o111 != 0)
}
