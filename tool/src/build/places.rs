//! File names that change what cargo does or hide others, and links.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::trust::TrustError;
use crate::error::ToolError;

/// Top-level entries that are no part of the tree.
const OUTSIDE: [&str; 2] = ["target", ".git"];

/// The file that names the compiler.
const TOOLCHAIN: &str = "rust-toolchain.toml";

/// What its lines begin with. The script, which is asked before there is a tool, has
/// them, too.
const TOOLCHAIN_KEYS: [&str; 5] = ["", "[toolchain]", "channel", "components", "profile"];

/// Looks at every name in the tree.
///
/// # Errors
/// [`TrustError::Place`] for the first that is refused, or [`ToolError::File`].
pub fn check(root: &Path) -> Result<(), ToolError> {
    look(root, "")?;
    let path = root.join(TOOLCHAIN);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let is_known = |line: &str| {
        let key = line.split_once(" = ").map_or(line, |(key, _)| key);
        TOOLCHAIN_KEYS.contains(&key)
    };
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let channel = table.get("toolchain").and_then(|keys| keys.get("channel"));
    let is_release = |channel: &str| {
        let mut bytes = channel.bytes();
        !channel.is_empty() && bytes.all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let is_ours = text.lines().all(is_known)
        && channel
            .and_then(toml::Value::as_str)
            .is_some_and(is_release);
    if path.exists() && !is_ours {
        let reason = "it names another compiler than a release of Rust";
        return Err(refuse(TOOLCHAIN, reason).into());
    }
    Ok(())
}

fn look(root: &Path, inside: &str) -> Result<(), ToolError> {
    let folder = root.join(inside);
    let failed = |error| ToolError::file("read", &folder)(error);
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_top = inside.is_empty();
        if is_top && OUTSIDE.contains(&name.as_ref()) {
            continue;
        }
        let path = if is_top {
            name.to_string()
        } else {
            format!("{inside}/{name}")
        };
        let kind = entry.file_type().map_err(failed)?;
        let is_toolchain = name == "rust-toolchain" || name == TOOLCHAIN && !is_top;
        let reason = if name == ".cargo" {
            "a configuration of cargo can name another compiler"
        } else if is_toolchain {
            "it names another compiler"
        } else if !is_plain(&entry.file_name()) {
            "its name has characters that lists of files do not keep apart"
        } else if kind.is_symlink() {
            "a symbolic link: expected the file itself"
        } else {
            if kind.is_dir() {
                look(root, &path)?;
            }
            continue;
        };
        return Err(refuse(&path, reason).into());
    }
    Ok(())
}

/// Whether a name stands in a list of files as what it is. The compiler and cargo escape
/// spaces in such lists, and nothing else.
fn is_plain(name: &OsStr) -> bool {
    let is_plain =
        |name: &str| !name.contains(|letter: char| letter.is_control() || letter == '\\');
    name.to_str().is_some_and(is_plain)
}

fn refuse(path: &str, reason: &'static str) -> TrustError {
    TrustError::Place {
        path: path.escape_debug().to_string(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[track_caller]
    fn verdict(make: impl Fn(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("lib/a")).unwrap();
        fs::create_dir_all(folder.path().join("target/.cargo")).unwrap();
        make(folder.path());
        check(folder.path()).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_configures_cargo_is_refused() {
        assert_eq!(verdict(|_| ()), "");
        let folder = |root: &Path| fs::create_dir(root.join("lib/a/.cargo")).unwrap();
        assert!(verdict(folder).starts_with("lib/a/.cargo is refused"));
        let file = |root: &Path| fs::write(root.join("rust-toolchain"), "x").unwrap();
        assert!(verdict(file).starts_with("rust-toolchain is refused"));
        let good = |root: &Path| {
            fs::write(root.join(TOOLCHAIN), "[toolchain]\nchannel = \"1\"\n").unwrap();
        };
        assert_eq!(verdict(good), "");
        for text in [
            "[toolchain]\npath = \"/x\"\n",
            "[toolchain]\nchannel = \"1\"\npath = \"/x\"\n",
            "[toolchain]\nchannel = \"1\"\n\"path\" = \"/x\"\n",
            "[toolchain]\nchannel = \"1\"\n  path = \"/x\"\n",
            "toolchain = { path = \"/x\" }\n",
            "toolchain.path = \"/x\"\n",
            "[toolchain]\nchannel = \"mine\"\n",
            "[toolchain]\n",
            "",
        ] {
            let write = |root: &Path| fs::write(root.join(TOOLCHAIN), text).unwrap();
            assert!(verdict(write).contains("another compiler"), "{text}");
        }
    }

    #[test]
    fn names_that_lists_do_not_keep_apart_are_refused() {
        for name in ["a\n.rs", "a\r", "a\\", "a\u{7f}.txt"] {
            let file = |root: &Path| fs::write(root.join("lib/a").join(name), "").unwrap();
            assert!(verdict(file).contains("do not keep apart"), "{name:?}");
            let folder = |root: &Path| fs::create_dir(root.join(name)).unwrap();
            assert!(verdict(folder).contains("do not keep apart"), "{name:?}");
        }
        let bytes = |root: &Path| fs::write(root.join(OsStr::from_bytes(b"\xff")), "").unwrap();
        assert!(verdict(bytes).contains("do not keep apart"));
        assert_eq!(
            verdict(|root| fs::write(root.join("a note.txt"), "").unwrap()),
            ""
        );
    }

    #[test]
    fn links_are_refused() {
        let link = |root: &Path| symlink("/tmp", root.join("lib/b")).unwrap();
        assert!(verdict(link).starts_with("lib/b is refused: a symbolic link"));
    }
}
