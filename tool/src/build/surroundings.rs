//! What configures cargo from outside of the tree: variables and files.
//!
//! Variables are taken from cargo's environment. A file in cargo's own folder is the
//! user's, so what changes nothing of an image may stand there, or what the build says
//! otherwise itself: flags, a wrapper for the compiler, another linker. A folder above
//! the tree may be somebody else's, and cargo runs what its file names: there may be
//! none.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

use super::trust::TrustError;
use crate::error::ToolError;

/// Beginnings of variables that change what cargo and rustc do.
const CHANGING: [&str; 2] = ["CARGO_", "RUST"];

/// Beginnings of those among them that change nothing of what is made.
const HARMLESS: [&str; 12] = [
    "CARGO_BUILD_JOBS",
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_TARGET_DIR",
    "CARGO_TERM_",
    "RUSTUP_HOME",
    "RUSTUP_AUTO_",
    "RUSTUP_DIST_",
    "RUST_BACKTRACE",
    "RUST_MIN_STACK",
    "RUST_TEST_",
];

/// Keys of configuration files that may stand there; `*` is any one key, and all below
/// a key may.
const KEYS: [&str; 26] = [
    "alias",
    "build.incremental",
    "build.jobs",
    "build.rustc-wrapper",
    "build.rustdocflags",
    "build.rustflags",
    "build.target",
    "build.target-dir",
    "cache",
    "cargo-new",
    "credential-alias",
    "doc",
    "future-incompat-report",
    "http",
    "install",
    "net",
    "registries",
    "registry",
    "resolver",
    "source.*.registry",
    "source.*.replace-with",
    "target.*.linker",
    "target.*.runner",
    "target.*.rustdocflags",
    "target.*.rustflags",
    "term",
];

/// Takes from a cargo's environment what changes what it makes.
pub fn clear(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_changing) {
            command.env_remove(name);
        }
    }
    // No wrapper, whatever a file says: an empty name is none.
    command.env("RUSTC_WRAPPER", "");
}

fn is_changing(name: &str) -> bool {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|each| name.starts_with(each));
    begins(&CHANGING) && !begins(&HARMLESS)
}

/// Looks at the files that cargo reads for the tree in `root`. Those in the tree are
/// refused as such (`places`).
///
/// # Errors
/// [`TrustError::Manifest`] for the first key that may not stand there, or
/// [`ToolError::File`].
pub fn check(root: &Path) -> Result<(), ToolError> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let home = home.map(|home| fs::canonicalize(&home).unwrap_or(home));
    let above = root.ancestors().skip(1).map(|folder| folder.join(".cargo"));
    for folder in above.filter(|folder| Some(folder) != home.as_ref()) {
        check_absent(&folder)?;
    }
    for path in home.iter().flat_map(|folder| files_in(folder)) {
        check_file(&path)?;
    }
    Ok(())
}

/// The files by which cargo is configured in a folder.
fn files_in(folder: &Path) -> [PathBuf; 2] {
    ["config", "config.toml"].map(|name| folder.join(name))
}

fn check_absent(folder: &Path) -> Result<(), ToolError> {
    let mut files = files_in(folder).into_iter();
    let Some(path) = files.find(|path| path.exists()) else {
        return Ok(());
    };
    let file = path.display().to_string();
    let message = "is refused: it could name another compiler; \
                   cargo is configured in its own folder (CARGO_HOME) only"
        .to_owned();
    Err(TrustError::Manifest { file, message }.into())
}

fn check_file(path: &Path) -> Result<(), ToolError> {
    if !path.is_file() {
        return Ok(());
    }
    let text = fs::read_to_string(path).map_err(ToolError::file("read", path))?;
    let refuse = |message| TrustError::Manifest {
        file: path.display().to_string(),
        message,
    };
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| refuse(error.message().to_owned()))?;
    match refused_key(&table, &mut Vec::new()) {
        None => Ok(()),
        Some(key) => {
            let message = format!("{key} is refused: it could change what images are made of");
            Err(refuse(message).into())
        }
    }
}

/// The first key that may not stand in a file, with those it is below.
fn refused_key<'a>(table: &'a Table, above: &mut Vec<&'a str>) -> Option<String> {
    for (key, value) in table {
        above.push(key);
        let refused = match (fit(above), value) {
            (Fit::Allowed, _) => None,
            (Fit::Begins, Value::Table(inner)) => refused_key(inner, above),
            _ => Some(above.join(".")),
        };
        above.pop();
        if refused.is_some() {
            return refused;
        }
    }
    None
}

/// How a path of keys compares with the list.
enum Fit {
    Allowed,
    Begins,
    None,
}

fn fit(path: &[&str]) -> Fit {
    let fits = |allowed: &str| {
        let allowed: Vec<&str> = allowed.split('.').collect();
        let same = |(own, other): (&&str, &&str)| *other == "*" || own == other;
        let is_equal = path.iter().zip(&allowed).all(same);
        is_equal.then_some(path.len() >= allowed.len())
    };
    let fits: Vec<bool> = KEYS.iter().filter_map(|allowed| fits(allowed)).collect();
    match (fits.contains(&true), fits.is_empty()) {
        (true, _) => Fit::Allowed,
        (false, false) => Fit::Begins,
        (false, true) => Fit::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn verdict(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        let said = check_file(&path).map_or_else(|error| error.to_string(), |()| String::new());
        said.replace(&format!("{}: ", path.display()), "")
    }

    #[test]
    fn there_is_no_file_above_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        let above = fs::canonicalize(folder.path()).unwrap();
        let root = above.join("nest/tree");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir(above.join(".cargo")).unwrap();
        check(&root).unwrap();
        for name in ["config", "config.toml"] {
            let path = above.join(".cargo").join(name);
            fs::write(&path, "[term]\nquiet = true\n").unwrap();
            let said = check(&root).unwrap_err().to_string();
            assert!(said.starts_with(&path.display().to_string()), "{said}");
            assert!(said.contains("is refused"), "{said}");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_changes_nothing_of_an_image_may_stand_in_the_users_files() {
        let good = "net.offline = true\n[build]\njobs = 2\nrustc-wrapper = \"sccache\"\n\
            [target.x86_64-unknown-linux-gnu]\nlinker = \"clang\"\nrustflags = [\"-Clink-arg=-s\"]\n\
            [source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\nregistry = \"https://m\"\n\
            [registries.mirror]\nindex = \"https://m\"\n";
        assert_eq!(verdict(good), "");
        assert_eq!(verdict(""), "");
    }

    #[test]
    fn what_brings_code_in_is_refused() {
        for (text, key) in [
            ("[build]\nrustc = \"evil\"", "build.rustc"),
            (
                "[build]\nrustc-workspace-wrapper = \"evil\"",
                "build.rustc-workspace-wrapper",
            ),
            ("[env]\nLD_PRELOAD = \"evil.so\"", "env"),
            ("paths = [\"/tmp/evil\"]", "paths"),
            ("include = \"evil.toml\"", "include"),
            ("[patch.crates-io]\nlog = { path = \"/tmp\" }", "patch"),
            ("[profile.image]\nlto = false", "profile"),
            ("[unstable]\nbuild-std = true", "unstable"),
            ("[host]\nlinker = \"evil\"", "host"),
            (
                "[source.crates-io]\ndirectory = \"/tmp\"",
                "source.crates-io.directory",
            ),
            ("source = 1", "source"),
            (
                "[target.x86_64-unknown-linux-gnu.c]\nrustc-link-lib = [\"evil\"]",
                "target.x86_64-unknown-linux-gnu.c",
            ),
        ] {
            let expected = format!("{key} is refused: it could change what images are made of");
            assert_eq!(verdict(text), expected);
        }
        assert!(!verdict("[").is_empty());
    }

    #[test]
    fn variables_that_change_what_is_made_are_taken_away() {
        for name in [
            "CARGO_BUILD_RUSTC",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_PROFILE_IMAGE_LTO",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
            "CARGO_UNSTABLE_BUILD_STD",
            "RUSTC",
            "RUSTC_BOOTSTRAP",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "RUST_TARGET_PATH",
        ] {
            assert!(is_changing(name), "{name}");
        }
        for name in [
            "PATH",
            "CARGO",
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "RUST_BACKTRACE",
        ] {
            assert!(!is_changing(name), "{name}");
        }
    }
}
