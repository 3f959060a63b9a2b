//! Compiler wrapper: what an untrusted crate is compiled with, and from.
//!
//! Cargo calls the tool in place of rustc for every workspace member of an image or a
//! kernel. A crate of an untrusted room gets `-Funsafe_code`, which no attribute in
//! its source can lift; code that trusted macros generate keeps its own span and
//! passes. Then the files that the compiler has read are looked at ([`sources`]), and
//! the crate itself for holes of the compiler and for interfaces ([`holes`]): a crate
//! that is refused has not been compiled, as far as cargo knows. An image is linked by
//! the tool as well ([`linker`]).

use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use super::{holes, linker, sources};
use crate::digest;
use crate::error::ToolError;
use crate::tree::{self, Tree};

/// Environment variable that makes the tool a wrapper: the root of the tree.
pub const WRAPPER_ROOT: &str = "REDLEAF_WRAPPER_ROOT";

/// Rooms whose crates may not contain `unsafe`.
pub const UNTRUSTED_ROOMS: [&str; 5] = ["domains", "programs", "lib", "interfaces", "tests"];

/// Rooms whose crates may.
pub const TRUSTED_ROOMS: [&str; 2] = ["kernel", "trusted"];

/// The one package that defines interfaces.
pub const INTERFACES: &str = "interfaces";

/// The host tool's; it is in no image.
pub const TOOL_ROOM: &str = "tool";

/// The tool under a name that changes with the rules of [`holes`] and [`linker`]. Cargo
/// compiles a crate again for a wrapper of another name, so none stays that was
/// examined by other rules. The linker's name lies beside it.
///
/// # Errors
/// [`ToolError::File`] if there can be no such name.
pub fn link(tree: &Tree) -> Result<PathBuf, ToolError> {
    let tool = tree::own_path().map_err(ToolError::file("find", Path::new("the tool")))?;
    let rules = (holes::rules(), include_str!("linker.rs"));
    let rules = BuildHasherDefault::<DefaultHasher>::default().hash_one(rules);
    let folder = tree.make_target(&format!("wrapper/{rules:016x}"))?;
    link_in(&folder, linker::NAME, &tool)?;
    link_in(&folder, "redleaf-tool", &tool)
}

/// A name for the tool.
fn link_in(folder: &Path, name: &str, tool: &Path) -> Result<PathBuf, ToolError> {
    let link = folder.join(name);
    if fs::read_link(&link).is_ok_and(|old| old == tool) {
        return Ok(link);
    }
    // A new name first: another build may be using it.
    let new = folder.join(format!("new.{}", std::process::id()));
    symlink(tool, &new).map_err(ToolError::file("make", &new))?;
    fs::rename(&new, &link).map_err(ToolError::file("make", &link))?;
    Ok(link)
}

/// Whether cargo called the tool as its compiler wrapper.
pub fn is_wanted() -> bool {
    std::env::var_os(WRAPPER_ROOT).is_some()
        && std::env::args_os()
            .nth(1)
            .is_some_and(|argument| Path::new(&argument).ends_with("rustc"))
}

/// Becomes rustc; for a crate of an untrusted room, runs it and looks at what it read.
pub fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let root = PathBuf::from(std::env::var_os(WRAPPER_ROOT).unwrap_or_default());
    let Some((rustc, arguments)) = arguments.split_first() else {
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(rustc);
    command.args(arguments);
    // Cargo sets no manifest folder when it only asks for the version.
    let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else {
        let error = command.exec();
        return cannot_start(rustc, &error);
    };
    let before = sources_in(&folder);
    let is_untrusted = is_untrusted(&root, &folder);
    let compiled = match is_untrusted {
        true => compile(&mut command, rustc),
        false => command.status().map(|status| status.success()),
    };
    match compiled {
        Ok(true) => {}
        Ok(false) => return ExitCode::FAILURE,
        Err(error) => return cannot_start(rustc, &error),
    }
    if let Some(path) = changed(&before) {
        let path = path.strip_prefix(&root).unwrap_or(path);
        let path = path.display();
        eprintln!("redleaf: {path} changed while it was compiled: build again");
        return ExitCode::FAILURE;
    }
    match is_untrusted {
        true => look(&root, &folder, rustc, arguments),
        false => ExitCode::SUCCESS,
    }
}

fn cannot_start(rustc: &OsStr, error: &io::Error) -> ExitCode {
    eprintln!("redleaf: cannot start {}: {error}", rustc.display());
    ExitCode::FAILURE
}

/// Sources of a package, and when each was changed last. Cargo may not set the time of
/// its notes, so it does not see by itself that a source changed after rustc had read it;
/// and what is looked at afterwards must be what rustc has read.
fn sources_in(folder: &Path) -> Vec<(PathBuf, Option<SystemTime>)> {
    let files = digest::files_below(folder).into_iter();
    let sources = files.filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    sources
        .map(|path| (path.clone(), modified(&path)))
        .collect()
}

/// The first of these sources that is no longer as it was.
fn changed(sources: &[(PathBuf, Option<SystemTime>)]) -> Option<&PathBuf> {
    let mut sources = sources.iter();
    let changed = sources.find(|(path, time)| modified(path) != *time);
    changed.map(|(path, _)| path)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Runs rustc on an untrusted crate; whether it succeeded. Of an option that is given
/// twice, the last one counts.
fn compile(command: &mut Command, rustc: &OsString) -> io::Result<bool> {
    let linker = std::env::args_os().next().unwrap_or_default();
    let linker = Path::new(&linker).with_file_name(linker::NAME);
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output()?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout);
    let status = command
        .arg("-Funsafe_code")
        .arg(format!("-Clinker={}", linker.display()))
        .env(linker::SYSROOT, sysroot.trim())
        .status()?;
    Ok(status.success())
}

/// Looks at a crate that was compiled from the package in `folder`.
fn look(root: &Path, folder: &Path, rustc: &OsString, arguments: &[OsString]) -> ExitCode {
    let package = folder.strip_prefix(root).unwrap_or(folder);
    let refused = |reason| format!("{} is refused: {reason}", package.display());
    let reason = match check_arguments(arguments) {
        Err(reason) => refused(reason),
        Ok(dep_info) => match sources::check_crate(root, folder, &dep_info) {
            Ok(()) => match holes::verdict(rustc, arguments, package == Path::new(INTERFACES)) {
                None => return ExitCode::SUCCESS,
                Some(reason) => refused(reason),
            },
            Err(error) => error.to_string(),
        },
    };
    eprintln!("redleaf: {reason}");
    ExitCode::FAILURE
}

/// Looks at a compiler's arguments: the edition, and that each crate has the name it
/// is used by. Returns where the files that the compiler has read are listed.
fn check_arguments(arguments: &[OsString]) -> Result<PathBuf, String> {
    let text: Vec<&str> = arguments.iter().filter_map(|each| each.to_str()).collect();
    if !text.contains(&"--edition=2024") {
        return Err("it is compiled for another edition: expected 2024".to_owned());
    }
    let after = |option: &'static str| {
        let pairs = text.windows(2).filter(move |pair| pair[0] == option);
        pairs.map(|pair| pair[1])
    };
    for used in after("--extern") {
        let (name, path) = used.split_once('=').unwrap_or((used, ""));
        let file = Path::new(path).file_name().and_then(OsStr::to_str);
        let file = file
            .and_then(|file| file.strip_prefix("lib"))
            .unwrap_or(name);
        let crate_name = file.split(['-', '.']).next().unwrap_or_default();
        if name.rsplit(':').next() != Some(crate_name) {
            return Err(format!("it uses {crate_name} by the name {name}"));
        }
    }
    let name = after("--crate-name").next();
    let folder = after("--out-dir").next();
    let suffix = after("-C").find_map(|option| option.strip_prefix("extra-filename="));
    match (name, folder) {
        (Some(name), Some(folder)) => {
            Ok(Path::new(folder).join(format!("{name}{}.d", suffix.unwrap_or_default())))
        }
        _ => Err("the compiler was not told where to list what it reads".to_owned()),
    }
}

/// Whether a file or folder lies in a room that may not contain `unsafe`.
pub fn is_untrusted(root: &Path, path: &Path) -> bool {
    is_in(root, path, &UNTRUSTED_ROOMS)
}

/// Whether a file or folder lies in a room that may contain `unsafe`.
pub fn is_trusted(root: &Path, path: &Path) -> bool {
    is_in(root, path, &TRUSTED_ROOMS)
}

fn is_in(root: &Path, path: &Path, rooms: &[&str]) -> bool {
    path.strip_prefix(root)
        .is_ok_and(|inside| rooms.iter().any(|room| inside.starts_with(room)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kernel_and_trusted_may_contain_unsafe() {
        let root = Path::new("/tree");
        let is_untrusted = |folder: &str| is_untrusted(root, Path::new(folder));
        assert!(is_untrusted("/tree/domains/drivers/nvme"));
        assert!(is_untrusted("/tree/programs"));
        assert!(is_untrusted("/tree/lib/glob"));
        assert!(!is_untrusted("/tree/trusted/runtime"));
        assert!(!is_untrusted("/tree/kernel/core"));
        assert!(!is_untrusted("/elsewhere/lib/glob"));
        assert!(is_trusted(root, Path::new("/tree/trusted/runtime")));
        assert!(!is_trusted(root, Path::new("/tree/tool")));
    }

    #[test]
    fn a_source_that_changes_while_it_is_compiled_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (source, text) = (
            folder.path().join("src/lib.rs"),
            folder.path().join("notes"),
        );
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(&source, "old").unwrap();
        fs::write(&text, "old").unwrap();
        let before = sources_in(folder.path());
        fs::write(&text, "new").unwrap();
        fs::write(folder.path().join("new.rs"), "").unwrap();
        assert_eq!(changed(&before), None);
        // The clock of files has a grain of some milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&source, "new").unwrap();
        assert_eq!(changed(&before), Some(&source));
        fs::remove_file(&source).unwrap();
        assert_eq!(changed(&before), Some(&source));
    }

    fn verdict(arguments: &str) -> Result<PathBuf, String> {
        let arguments: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
        check_arguments(&arguments)
    }

    #[test]
    fn crates_are_used_by_their_names() {
        let common = "--crate-name a --edition=2024 --out-dir /o -C extra-filename=-1";
        let good = format!("{common} --extern b_c=/o/libb_c-2.rmeta --extern core=/o/libcore.rlib");
        assert_eq!(verdict(&good), Ok(PathBuf::from("/o/a-1.d")));
        let renamed = format!("{common} --extern exchange=/o/libevil-2.rlib");
        assert_eq!(
            verdict(&renamed),
            Err("it uses evil by the name exchange".to_owned())
        );
        let old = common.replace("2024", "2021");
        assert!(verdict(&old).unwrap_err().contains("another edition"));
        assert!(verdict("--edition=2024").is_err());
    }
}
