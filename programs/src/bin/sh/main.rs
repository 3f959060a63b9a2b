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
mod compound;
mod depth;
mod environment;
mod external;
#[path = "../../files.rs"]
mod files;
mod input;
mod interactive;
mod jobs;
mod memory;
mod options;
mod redirect;
mod run;
mod shell;
mod simple;
mod subshell;
mod trap;

use posix::io;
use posix::prelude::*;

use crate::shell::Shell;

const SWITCHES: Switches = Switches::new(
    "aCefnuvxo:cisI:P:",
    "sh [-aCefnuvx] [-o OPTION] [-s | -c TEXT [NAME [ARGUMENT...]] | FILE [ARGUMENT...]]",
)
.stopping();

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut shell = Shell::new();
    if let Some(inherited) = options.value('P') {
        subshell::inherit(&mut shell, options.value('I').unwrap_or(""), inherited);
    }
    for letter in "aCefnuvx".chars().filter(|letter| options.has(*letter)) {
        shell.options.set_letter(letter, true);
    }
    if let Some(name) = options
        .value('o')
        .filter(|name| !shell.options.set(name, true))
    {
        complain!("{name}: not an option");
        return ExitCode::from(2);
    }
    let status = run(&mut shell, &options);
    shell.run_exit_trap();
    status_code(status.unwrap_or(shell.status))
}

/// Runs what the command line says; a status, if it is not the last command's.
fn run(shell: &mut Shell, options: &Options) -> Option<i32> {
    let mut operands = options.operands().to_vec().into_iter().peekable();
    let text = if options.has('c') {
        let Some(text) = operands.next() else {
            options.usage()
        };
        shell.script_name = operands.next().unwrap_or_else(|| "sh".into());
        text
    } else if let Some(file) = operands.next_if(|_| !options.has('s')) {
        shell.script_name.clone_from(&file);
        match memory::read_script(&file) {
            Ok(text) => text,
            Err(error) => {
                complain!("{file}: {error}");
                return Some(127);
            }
        }
    } else {
        shell.arguments = operands.collect();
        if io::stdin().is_terminal() || options.has('i') {
            return Some(interactive::run(shell));
        }
        shell.run_input();
        return None;
    };
    shell.arguments = operands.collect();
    match options.has('P') {
        // It was parsed before, aliases and all.
        true => shell.run_parsed(&text),
        false => shell.run_script(&text),
    };
    None
}

fn status_code(status: i32) -> ExitCode {
    ExitCode::from((status & 0xff).to_le_bytes()[0])
}
