//! Prints its arguments by a format.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::print_bytes;

const SWITCHES: Switches = Switches::new("", "printf FORMAT [ARGUMENT...]")
    .example("printf '%s has %d\\n' a 1 b 2")
    .stopping()
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let mut words: Vec<String> = posix::env::args().skip(1).collect();
    if words.first().is_some_and(|first| first == "--help") {
        let _ = Options::parse(&SWITCHES);
    }
    if words.first().is_some_and(|first| first == "--") {
        words.remove(0);
    }
    let Some((format, arguments)) = words.split_first() else {
        eprintln!("usage: {}", SWITCHES.usage);
        return ExitCode::FAILURE;
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let formatted = utility::printf::format(format, &arguments);
    print_bytes(&formatted.output);
    for complaint in &formatted.complaints {
        complain!("{complaint}");
    }
    ExitCode::from(formatted.complaints.is_empty())
}
