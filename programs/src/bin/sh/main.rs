//! The shell.
//!
//! `shell-language` parses and expands, this program runs. Rv6 has no `fork`:
//! what needs a process of its own but is no program (a subshell, a builtin in
//! a pipeline, `$(…)`) is started as another `sh` that gets the text and, in
//! front of it, this shell's variables and functions ([`subshell`]).
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod builtins;
mod environment;
mod external;
#[path = "../../files.rs"]
mod files;
mod interactive;
mod jobs;
mod redirect;
mod run;
mod shell;
mod subshell;

use posix::prelude::*;
use posix::{fs, io};

use crate::shell::Shell;

const SWITCHES: Switches = Switches::new(
    "cexsI:P:",
    "sh [-ex] [-s | -c TEXT [NAME [ARGUMENT...]] | FILE [ARGUMENT...]]",
)
.stopping();

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut operands = options.operands().to_vec().into_iter();
    let mut shell = Shell::new();
    if let Some(inherited) = options.value('P') {
        subshell::inherit(&mut shell, options.value('I').unwrap_or(""), inherited);
    }
    shell.exits_on_error = options.has('e');
    shell.is_tracing = options.has('x');
    let text = if options.has('c') {
        let Some(text) = operands.next() else {
            options.usage()
        };
        shell.script_name = operands.next().unwrap_or_else(|| "sh".into());
        text
    } else if let Some(file) = operands.next().filter(|_| !options.has('s')) {
        shell.script_name.clone_from(&file);
        match fs::read(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                complain!("{file}: {error}");
                return ExitCode::from(127);
            }
        }
    } else if io::stdin().is_terminal() {
        shell.arguments = operands.collect();
        return status_code(interactive::run(&mut shell));
    } else {
        let mut bytes = Vec::new();
        if let Err(error) = io::stdin().read_to_end(&mut bytes) {
            complain!("standard input: {error}");
            return ExitCode::from(2);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    shell.arguments = operands.collect();
    shell.run_text(&text);
    status_code(shell.status)
}

fn status_code(status: i32) -> ExitCode {
    ExitCode::from((status & 0xff).to_le_bytes()[0])
}
