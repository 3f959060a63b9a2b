//! `#![forbid(unsafe_code)]` in every crate root outside kernel/ and trusted/.

use std::fs;

use super::source::Source;
use super::{Finding, Findings, shown};
use crate::build::Workspace;
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
            if !forbids_unsafe(&text) {
                let message = "this crate root does not say #![forbid(unsafe_code)]";
                findings.insert(Finding::new(&shown(tree.root(), path), 1, message));
            }
        }
    }
    Ok(findings)
}

/// Whether the attribute is there as code, not in a comment or a string.
fn forbids_unsafe(text: &str) -> bool {
    let attribute = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
    Source::parse(text).find(&attribute).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_attribute_itself_counts() {
        assert!(forbids_unsafe(
            "//! A.\n#![no_std]\n#![forbid(unsafe_code)]\n"
        ));
        assert!(!forbids_unsafe("//! A.\n//#![forbid(unsafe_code)]\n"));
        assert!(!forbids_unsafe(
            "const A: &str = \"#![forbid(unsafe_code)]\";"
        ));
        assert!(!forbids_unsafe("#![deny(unsafe_code)]\n"));
    }
}
