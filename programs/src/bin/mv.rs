//! Renames and moves files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::path;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("fnv", "mv [-fnv] FROM... TO");

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let Some((target, sources)) = options.operands().split_last() else {
        options.usage()
    };
    if sources.is_empty() {
        options.usage();
    }
    let is_directory = fs::metadata(target).is_ok_and(|found| found.is_dir());
    if sources.len() > 1 && !is_directory {
        complain!("{target}: Not a directory");
        return ExitCode::FAILURE;
    }
    let mut all_went_well = true;
    for source in sources {
        let to = match is_directory {
            true => path::join(target, path::file_name(source)),
            false => target.clone(),
        };
        if options.has('n') && fs::symlink_metadata(&to).is_ok() {
            continue;
        }
        match fs::rename(source, &to) {
            Ok(()) if options.has('v') => println!("{source} -> {to}"),
            Ok(()) => {}
            Err(error) => {
                complain!("{source} to {to}: {error}");
                all_went_well = false;
            }
        }
    }
    ExitCode::from(all_went_well)
}
