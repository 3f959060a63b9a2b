//! Prints a line until nobody reads it.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;

const SWITCHES: Switches = Switches::new("", "yes [WORD...]")
    .example("yes | head -n 3")
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let line = match options.operands() {
        [] => String::from("y"),
        words => words.join(" "),
    };
    // Ends with the program, when its output is closed.
    loop {
        println!("{line}");
    }
}
