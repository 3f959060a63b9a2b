//! Renames and moves files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::path;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("fnv", "mv [-fnv] FROM... TO").usage_status(1);

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
        if is_same(source, &to) {
            complain!("{source} and {to} are the same file");
            all_went_well = false;
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

/// Whether two paths are of one file: renaming it would do nothing, silently.
fn is_same(one: &str, other: &str) -> bool {
    let inode = |path: &str| {
        let found = fs::symlink_metadata(path).ok()?;
        Some(found.attributes().inode)
    };
    inode(one).is_some() && inode(one) == inode(other)
}
