//! Gives files more names.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::path;
use posix::prelude::*;

const SWITCHES: Switches =
    Switches::new("sfn", "ln [-fns] TARGET... NAME").long(&[("symbolic", 's'), ("force", 'f')]);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let (targets, name) = match options.operands() {
        [] => options.usage(),
        [target] => (core::slice::from_ref(target), "."),
        [targets @ .., name] => (targets, name.as_str()),
    };
    let is_directory = match options.has('n') {
        true => fs::symlink_metadata(name).is_ok_and(|found| found.is_dir()),
        false => fs::metadata(name).is_ok_and(|found| found.is_dir()),
    };
    if targets.len() > 1 && !is_directory {
        complain!("{name}: Not a directory");
        return ExitCode::FAILURE;
    }
    let mut all_went_well = true;
    for target in targets {
        let new_name = match is_directory {
            true => path::join(name, path::file_name(target)),
            false => name.into(),
        };
        if options.has('f') {
            // If there is none, there is none to remove.
            let _ = fs::remove_file(&new_name);
        }
        let linked = match options.has('s') {
            true => fs::symlink(target, &new_name),
            false => fs::hard_link(target, &new_name),
        };
        if let Err(error) = linked {
            complain!("{new_name} to {target}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}
