//! Gives files more names.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::{fs, io, path};

const SWITCHES: Switches = Switches::new("sfn", "ln [-fns] TARGET... NAME")
    .long(&[("symbolic", 's'), ("force", 'f')])
    .usage_status(1);

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
        let is_symbolic = options.has('s');
        if options.has('f') && destroys(target, &new_name, is_symbolic) {
            complain!("{new_name}: is the same file as {target}");
            all_went_well = false;
            continue;
        }
        let linked = match options.has('f') && fs::symlink_metadata(&new_name).is_ok() {
            true => replace(target, &new_name, is_symbolic),
            false => link(target, &new_name, is_symbolic),
        };
        if let Err(error) = linked {
            complain!("{new_name} to {target}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn link(target: &str, name: &str, is_symbolic: bool) -> io::Result<()> {
    match is_symbolic {
        true => fs::symlink(target, name),
        false => fs::hard_link(target, name),
    }
}

/// Makes the link beside what stands at its name, and then puts it there: if it
/// cannot be made, nothing is lost.
fn replace(target: &str, name: &str, is_symbolic: bool) -> io::Result<()> {
    let beside = format!("{name}.ln{}", posix::process::id());
    link(target, &beside, is_symbolic)?;
    fs::rename(&beside, name).inspect_err(|_| {
        // What was just made; there is nothing to do about a second failure.
        let _ = fs::remove_file(&beside);
    })
}

/// Whether the link would take the place of the only name of what it is to lead to.
fn destroys(target: &str, name: &str, is_symbolic: bool) -> bool {
    let target_found = match is_symbolic {
        true => fs::metadata(target),
        false => fs::symlink_metadata(target),
    };
    let (Ok(from), Ok(to)) = (target_found, fs::symlink_metadata(name)) else {
        return false;
    };
    from.attributes().inode == to.attributes().inode
        && (from.attributes().links == 1 || is_same_name(target, name))
}

/// Whether two paths are one name in one directory.
fn is_same_name(one: &str, other: &str) -> bool {
    let directory = |path: &str| {
        let found = fs::metadata(path::parent(path)).ok()?;
        Some(found.attributes().inode)
    };
    path::file_name(one) == path::file_name(other) && directory(one) == directory(other)
}
