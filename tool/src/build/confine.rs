//! What cargo starts cannot read the key, change what is signed, or type.
//!
//! Build scripts and procedural macros of vetted crates and every test are code that
//! runs on the host with all rights of the person at the terminal. So the tool
//! starts cargo through itself: the new process gives up, by Landlock, reading
//! `target/keys` and writing anywhere but into the folders that it is to fill, and
//! becomes cargo. All it starts inherits that; nothing takes it back. It gives up
//! putting characters into a terminal's input as well, by seccomp: the shell that waits
//! there would run them, with all rights, once the tool is done.
//!
//! Landlock says what is allowed, not what is forbidden: everything beside the path
//! to the hidden folder may be read. What is made in one of these folders later is
//! hidden as well, so temporary files have a folder of their own.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus,
};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as ArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};

use crate::tree;

/// Environment variable that makes the tool confine itself: the hidden folder and
/// those that may be written, separated by line feeds.
const CONFINED: &str = "REDLEAF_CONFINED";

/// Rights that the rules are about; an older kernel knows fewer.
const RIGHTS: ABI = ABI::V3;

/// Number of the system call `ioctl`.
#[cfg(target_arch = "x86_64")]
const IOCTL: i64 = 16;
#[cfg(not(target_arch = "x86_64"))]
const IOCTL: i64 = 29;
/// "Operation not permitted".
const EPERM: u32 = 1;

/// Requests that put characters into a terminal's input (Linux, `asm-generic/ioctls.h`
/// and `linux/tiocl.h`): `TIOCSTI`, and `TIOCLINUX`, which pastes on a console.
const TYPING: [u64; 2] = [0x5412, 0x541c];

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
    match restrict(hidden, paths) {
        Ok(RulesetStatus::NotEnforced) => eprintln!(
            "redleaf: this kernel has no Landlock: what the build and the tests run can read the signing key"
        ),
        Ok(_) => {}
        Err(error) => {
            eprintln!("redleaf: cannot confine {}: {error}", program.display());
            return ExitCode::FAILURE;
        }
    }
    if let Err(error) = forbid_typing() {
        eprintln!("redleaf: cannot confine {}: {error}", program.display());
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program)
        .args(arguments)
        .env_remove(CONFINED)
        .exec();
    eprintln!("redleaf: cannot start {}: {error}", program.display());
    ExitCode::FAILURE
}

/// Forbids requests that type into a terminal.
fn forbid_typing() -> Result<(), seccompiler::Error> {
    let types = |request| {
        let is_request = SeccompCondition::new(1, ArgLen::Dword, SeccompCmpOp::Eq, request)?;
        SeccompRule::new(vec![is_request])
    };
    let rules = TYPING
        .into_iter()
        .map(types)
        .collect::<Result<Vec<_>, _>>()?;
    let filter = SeccompFilter::new(
        [(IOCTL, rules)].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(EPERM),
        std::env::consts::ARCH.try_into()?,
    )?;
    let mut program = BpfProgram::try_from(filter)?;
    program.splice(0..0, forbid_x32());
    seccompiler::apply_filter(&program)
}

/// The beginning of a filter that forbids the calls of x32, which have numbers of their
/// own for what 64-bit programs do.
fn forbid_x32() -> [sock_filter; 3] {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    [
        instruction(bpf::LOAD, 0, 0, bpf::NUMBER),
        instruction(bpf::JUMP_IF_AT_LEAST, 0, 1, bpf::X32_BIT),
        instruction(bpf::RETURN, 0, 0, bpf::ERRNO | EPERM),
    ]
}

/// Instructions of a filter (Linux, `linux/bpf_common.h` and `linux/seccomp.h`).
mod bpf {
    /// `BPF_LD | BPF_W | BPF_ABS`
    pub const LOAD: u16 = 0x20;
    /// `BPF_JMP | BPF_JGE | BPF_K`
    pub const JUMP_IF_AT_LEAST: u16 = 0x35;
    /// `BPF_RET | BPF_K`
    pub const RETURN: u16 = 0x06;
    /// Where `struct seccomp_data` has the call's number.
    pub const NUMBER: u32 = 0;
    /// `__X32_SYSCALL_BIT`
    pub const X32_BIT: u32 = 0x4000_0000;
    /// `SECCOMP_RET_ERRNO`
    pub const ERRNO: u32 = 0x0005_0000;
}

fn restrict<'a>(
    hidden: &Path,
    writable: impl Iterator<Item = &'a Path>,
) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_all(RIGHTS);
    let read = AccessFs::from_read(RIGHTS);
    let mut rules = Ruleset::default().handle_access(all)?.create()?;
    // Names alone are no secret, and cargo looks for manifests in all folders above.
    let names = BitFlags::from(AccessFs::ReadDir);
    let readable = beside(hidden).into_iter().map(|path| (path, read));
    let writable = writable.map(|path| (path.to_owned(), all));
    let devices = [(PathBuf::from("/"), names), (PathBuf::from("/dev"), all)];
    for (path, rights) in readable.chain(writable).chain(devices) {
        // A path that cannot be opened stays forbidden.
        if let Ok(file) = PathFd::new(&path) {
            rules = rules.add_rule(PathBeneath::new(file, rights))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// Everything but one folder: what lies beside it and beside each folder above it.
/// Links are left out: where they lead counts.
fn beside(hidden: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for inner in hidden.ancestors() {
        let Some(folder) = inner.parent() else {
            break;
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let entries =
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
        found.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| path != inner),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::ExitStatus;

    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    fn everything_beside_a_folder_is_found_and_nothing_above() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("a/hidden")).unwrap();
        fs::write(root.join("a/file"), "").unwrap();
        fs::create_dir(root.join("b")).unwrap();
        std::os::unix::fs::symlink(&root, root.join("a/link")).unwrap();
        let found = beside(&root.join("a/hidden"));
        for shown in ["a/file", "b"] {
            assert!(found.contains(&root.join(shown)), "{shown}");
        }
        for left_out in ["a", "a/hidden", "a/link", ""] {
            assert!(!found.contains(&root.join(left_out)), "{left_out}");
        }
        assert!(!found.contains(&PathBuf::from("/")));
    }

    /// Whether a program, started as `start` does it, can type into a terminal.
    fn types(start: impl FnOnce(&mut Command) -> std::io::Result<ExitStatus>) -> bool {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let other = File::open(Path::new(name.to_str().unwrap())).unwrap();
        let mut command = Command::new("perl");
        command.args(["-e", "exit(ioctl(STDIN, 0x5412, my $key = 'x') ? 0 : $!)"]);
        start(command.stdin(other)).unwrap().success()
    }

    #[test]
    fn what_is_confined_cannot_type() {
        // A filter is its thread's, and of what the thread starts.
        let confined = || {
            types(|command| {
                forbid_typing().unwrap();
                command.status()
            })
        };
        assert!(!std::thread::spawn(confined).join().unwrap());
    }
}
