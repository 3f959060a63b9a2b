//! `#![forbid(unsafe_code)]` in every crate root outside kernel/ and trusted/.

use std::fs;

use super::source::Source;
use super::{Finding, Findings, shown};
use crate::build::{COMPILE_TRUSTED_FILES, Workspace};
use crate::error::ToolError;
use crate::tree::Tree;

/// Rooms that may contain `unsafe`.
const TRUSTED_ROOMS: [&str; 2] = ["kernel", "trusted"];

/// Looks into the root of every library, program, test and build script.
///
/// # Errors
/// [`ToolError`] if the workspace or a file cannot be read.
pub fn check(tree: &Tree) -> Result<Findings, ToolError> {
    let workspace = Workspace::read(tree)?;
    let mut findings = Findings::new();
    for package in workspace.members() {
        if TRUSTED_ROOMS
            .iter()
            .any(|room| workspace.is_in(package, room))
        {
            continue;
        }
        for target in &package.targets {
            let path = &target.src_path;
            let text = fs::read_to_string(path).map_err(ToolError::file("read", path))?;
            let path = shown(tree.root(), path);
            let level = level_of(&path);
            if !says(&text, level) {
                let message = format!("this crate root does not say #![{level}(unsafe_code)]");
                findings.insert(Finding::new(&path, 1, message));
            }
        }
    }
    Ok(findings)
}

/// How a crate root must speak of `unsafe`: a library that compiles trusted files
/// denies it, and excuses each such file by name.
fn level_of(path: &str) -> &'static str {
    let library = path.strip_suffix("/src/lib.rs");
    if library.is_some_and(|package| COMPILE_TRUSTED_FILES.contains(&package)) {
        "deny"
    } else {
        "forbid"
    }
}

/// Whether the attribute is there as code, not in a comment or a string.
fn says(text: &str, level: &str) -> bool {
    let attribute = ["#", "!", "[", level, "(", "unsafe_code", ")", "]"];
    Source::parse(text).find(&attribute).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_attribute_itself_counts() {
        let forbids_unsafe = |text| says(text, "forbid");
        assert!(forbids_unsafe(
            "//! A.\n#![no_std]\n#![forbid(unsafe_code)]\n"
        ));
        assert!(!forbids_unsafe("//! A.\n//#![forbid(unsafe_code)]\n"));
        assert!(!forbids_unsafe(
            "const A: &str = \"#![forbid(unsafe_code)]\";"
        ));
        assert!(!forbids_unsafe("#![deny(unsafe_code)]\n"));
    }

    #[test]
    fn who_compiles_trusted_files_denies_what_is_not_excused() {
        assert_eq!(level_of("tests/models/src/lib.rs"), "deny");
        assert_eq!(level_of("tests/models/tests/loans.rs"), "forbid");
        assert!(says("#![deny(unsafe_code)]\n", "deny"));
        assert!(!says("#![allow(unsafe_code)]\n", "deny"));
    }
}
