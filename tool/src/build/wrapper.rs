//! Compiler wrapper: forbids `unsafe` outside `kernel/` and `trusted/`.
//!
//! Cargo calls the tool in place of rustc for every workspace member. A crate
//! of an untrusted room gets `-Funsafe_code`, which no attribute in its source
//! can lift; code that trusted macros generate keeps its own span and passes.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Environment variable that makes the tool a wrapper: the root of the tree.
pub const WRAPPER_ROOT: &str = "REDLEAF_WRAPPER_ROOT";

/// Rooms whose crates may not contain `unsafe`.
pub const UNTRUSTED_ROOMS: [&str; 5] = ["domains", "programs", "lib", "interfaces", "tests"];

/// Whether cargo called the tool as its compiler wrapper.
pub fn is_wanted() -> bool {
    std::env::var_os(WRAPPER_ROOT).is_some()
        && std::env::args_os()
            .nth(1)
            .is_some_and(|argument| Path::new(&argument).ends_with("rustc"))
}

/// Becomes rustc, with `-Funsafe_code` if the crate lies in an untrusted room.
pub fn run() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let root = std::env::var_os(WRAPPER_ROOT).unwrap_or_default();
    // Cargo sets no manifest folder when it only asks for the version.
    if let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR")
        && is_untrusted(Path::new(&root), Path::new(&folder))
    {
        arguments.push("-Funsafe_code".into());
    }
    let Some((rustc, arguments)) = arguments.split_first() else {
        return ExitCode::FAILURE;
    };
    let error = Command::new(rustc).args(arguments).exec();
    eprintln!("redleaf: cannot start {}: {error}", rustc.display());
    ExitCode::FAILURE
}

/// Whether a package folder lies in a room that may not contain `unsafe`.
pub fn is_untrusted(root: &Path, folder: &Path) -> bool {
    folder
        .strip_prefix(root)
        .is_ok_and(|inside| UNTRUSTED_ROOMS.iter().any(|room| inside.starts_with(room)))
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
    }
}
