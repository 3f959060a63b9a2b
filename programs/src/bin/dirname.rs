//! Prints paths without their last parts.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::path;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("", "dirname PATH...")
    .example("dirname /usr/lib/libc.so")
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.operands().is_empty() {
        options.usage();
    }
    for path in options.operands() {
        println!("{}", path::parent(path));
    }
    ExitCode::SUCCESS
}
