//! Makes directories.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("pv", "mkdir [-pv] DIRECTORY...")
    .long(&[("parents", 'p')])
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.operands().is_empty() {
        options.usage();
    }
    let mut all_went_well = true;
    for directory in options.operands() {
        let made = match options.has('p') {
            true => fs::create_dir_all(directory),
            false => fs::create_dir(directory),
        };
        match made {
            Ok(()) if options.has('v') => println!("{directory}"),
            Ok(()) => {}
            Err(error) => {
                complain!("{directory}: {error}");
                all_went_well = false;
            }
        }
    }
    ExitCode::from(all_went_well)
}
