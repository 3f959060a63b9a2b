//! Makes directories.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::prelude::*;
use utility::mode::{self, Subject};

const SWITCHES: Switches = Switches::new("pvm:", "mkdir [-pv] [-m MODE] DIRECTORY...")
    .long(&[("parents", 'p'), ("mode", 'm')])
    .example("mkdir -p a/b/c")
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.operands().is_empty() {
        options.usage();
    }
    let mode = options.value('m').map(|text| {
        let subject = Subject {
            mode: 0o777,
            is_directory: true,
            mask: 0,
        };
        mode::apply(text, subject).unwrap_or_else(|| {
            complain!("{text}: not a mode");
            posix::process::exit(SWITCHES.usage_status)
        })
    });
    let mut all_went_well = true;
    for directory in options.operands() {
        let is_new = !fs::exists(directory);
        let made = match options.has('p') {
            true => fs::create_dir_all(directory),
            false => fs::create_dir(directory),
        };
        let made = made.and_then(|()| match mode {
            Some(mode) if is_new => fs::set_permissions(directory, mode),
            _ => Ok(()),
        });
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
