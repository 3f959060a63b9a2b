//! Removes empty directories.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::{fs, path};

const SWITCHES: Switches = Switches::new("p", "rmdir [-p] DIRECTORY...")
    .long(&[("parents", 'p')])
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.operands().is_empty() {
        options.usage();
    }
    let mut all_went_well = true;
    for operand in options.operands() {
        let mut directory = operand.as_str();
        loop {
            if let Err(error) = fs::remove_dir(directory) {
                complain!("{directory}: {error}");
                all_went_well = false;
                break;
            }
            directory = path::parent(directory);
            if !options.has('p') || directory == "." || directory == "/" {
                break;
            }
        }
    }
    ExitCode::from(all_went_well)
}
