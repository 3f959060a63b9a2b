//! What cargo starts cannot read the key, change what is signed, or type.
//!
//! Build scripts and procedural macros of vetted crates and every test are code that
//! runs on the host with all rights of the person at the terminal. So the tool
//! starts cargo through itself: the new process gives up rights and becomes cargo. All
//! it starts inherits that; nothing takes it back. It gives up
//!
//! - by Landlock, reading `target/keys`, writing anywhere but into the folders that it
//!   is to fill, devices but the harmless ones, and signals and abstract sockets of
//!   processes that are not confined;
//! - by seccomp ([`calls`]), changing modes, owners, times and attributes of files, which
//!   Landlock does not know; and putting characters into a terminal's input: the shell
//!   that waits there would run them, with all rights, once the tool is done;
//! - all capabilities, which root would have: Landlock does not keep root from loading
//!   a module into the kernel.
//!
//! Landlock says what is allowed, not what is forbidden: everything beside the path
//! to the hidden folder may be read. What is made in one of these folders later is
//! hidden as well, so temporary files have a folder of their own.

mod calls;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fs::{self, FileType};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use crate::tree;

/// Environment variable that makes the tool confine itself: the hidden folder and
/// those that may be written, separated by line feeds.
const CONFINED: &str = "REDLEAF_CONFINED";

/// Rights that the rules are about; an older kernel knows fewer.
const RIGHTS: ABI = ABI::V6;

/// Where devices lie.
const DEVICES: &str = "/dev";

/// Those that give nothing away and keep nothing, and terminals, which tests make.
const HARMLESS_DEVICES: [&str; 8] = [
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts",
];

/// A command that cannot read `hidden`, and write into `writable` only.
///
/// # Errors
/// The tool does not know where it lies.
pub fn command(program: &Path, hidden: &Path, writable: &[PathBuf]) -> std::io::Result<Command> {
    let paths = [hidden]
        .into_iter()
        .chain(writable.iter().map(PathBuf::as_path));
    let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    let mut command = Command::new(tree::own_path()?);
    command.arg(program).env(CONFINED, paths.join("\n"));
    Ok(command)
}

/// Whether the tool was started to confine itself.
pub fn is_wanted() -> bool {
    std::env::var_os(CONFINED).is_some()
}

/// Gives up rights and becomes the program named by the arguments.
pub fn run() -> ExitCode {
    let paths = std::env::var(CONFINED).unwrap_or_default();
    let mut paths = paths.lines().map(Path::new);
    let hidden = paths.next().unwrap_or(Path::new("/"));
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        return ExitCode::FAILURE;
    };
    match confine(hidden, paths) {
        Ok(RulesetStatus::NotEnforced) => eprintln!(
            "redleaf: this kernel has no Landlock: what the build and the tests run can read the signing key"
        ),
        Ok(_) => {}
        Err(error) => {
            eprintln!("redleaf: cannot confine {}: {error}", program.display());
            return ExitCode::FAILURE;
        }
    }
    let error = Command::new(&program)
        .args(arguments)
        .env_remove(CONFINED)
        .exec();
    eprintln!("redleaf: cannot start {}: {error}", program.display());
    ExitCode::FAILURE
}

/// Gives up, for the thread and all it starts, every right that the head of this file
/// names; how much of it Landlock enforces.
fn confine<'a>(
    hidden: &Path,
    writable: impl Iterator<Item = &'a Path>,
) -> Result<RulesetStatus, Box<dyn Error>> {
    let status = restrict(hidden, writable)?;
    drop_capabilities()?;
    calls::forbid()?;
    Ok(status)
}

/// Gives up all capabilities, for good: as root, none of these rights would be worth
/// much. What belongs to root still does.
fn drop_capabilities() -> rustix::io::Result<()> {
    let held = capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        let all = (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit));
        // Beyond the last one that the kernel knows there is an error.
        for one in all.take_while(|one| capability_is_in_bounding_set(*one).is_ok()) {
            remove_capability_from_bounding_set(one)?;
        }
    }
    let empty = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: empty,
            permitted: empty,
            inheritable: empty,
        },
    )?;
    set_no_new_privs(true)
}

fn restrict<'a>(
    hidden: &Path,
    writable: impl Iterator<Item = &'a Path>,
) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_all(RIGHTS);
    let read = AccessFs::from_read(RIGHTS);
    let mut rules = Ruleset::default()
        .handle_access(all)?
        .scope(Scope::from_all(RIGHTS))?
        .create()?;
    // Names alone are no secret, and cargo looks for manifests in all folders above.
    let names = BitFlags::from(AccessFs::ReadDir);
    let readable = beside(hidden).into_iter().map(|path| (path, read));
    let writable = writable.map(|path| (path.to_owned(), all));
    let devices = HARMLESS_DEVICES.map(|name| (Path::new(DEVICES).join(name), all));
    let names = [(PathBuf::from("/"), names)];
    for (path, rights) in readable.chain(writable).chain(devices).chain(names) {
        // A path that cannot be opened stays forbidden.
        if let Ok(file) = PathFd::new(&path) {
            rules = rules.add_rule(PathBeneath::new(file, rights))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// Everything but one folder: what lies beside it and beside each folder above it.
/// Links are left out, where they lead counts; and devices, wherever they lie.
fn beside(hidden: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for inner in hidden.ancestors() {
        let Some(folder) = inner.parent() else {
            break;
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let entries = entries.filter(|entry| entry.file_type().is_ok_and(is_readable));
        let paths = entries.map(|entry| entry.path());
        found.extend(paths.filter(|path| path != inner && path != Path::new(DEVICES)));
    }
    found
}

fn is_readable(kind: FileType) -> bool {
    !(kind.is_symlink() || kind.is_block_device() || kind.is_char_device())
}
