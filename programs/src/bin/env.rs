//! Shows the environment, or runs a program in another one.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io::ErrorKind;
use posix::prelude::*;
use posix::process::Command;

const SWITCHES: Switches = Switches::new(
    "iu:",
    "env [-i] [-u NAME] [NAME=VALUE...] [PROGRAM [ARGUMENT...]]",
)
.stopping()
.usage_status(125);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.has('i') {
        for (name, _) in posix::env::vars() {
            if name != "PATH" {
                posix::env::remove_var(&name);
            }
        }
    }
    if let Some(name) = options.value('u') {
        posix::env::remove_var(name);
    }
    let mut words = options.operands();
    while let Some((name, value)) = words.first().and_then(|word| word.split_once('=')) {
        posix::env::set_var(name, value);
        words = &words[1..];
    }
    let Some((program, arguments)) = words.split_first() else {
        for (name, value) in posix::env::vars() {
            println!("{name}={value}");
        }
        return ExitCode::SUCCESS;
    };
    match Command::new(program).args(arguments).status() {
        Ok(status) => posix::process::exit(status.code()),
        Err(error) => {
            complain!("{program}: {error}");
            ExitCode::from(if error.kind() == ErrorKind::NotFound {
                127
            } else {
                126
            })
        }
    }
}
