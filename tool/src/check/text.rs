//! Texts of every kind: no promises, no path of the machine they came from.

use std::fs;
use std::sync::LazyLock;

use regex::Regex;

use super::source;
use super::{Finding, Findings, shown};
use crate::error::ToolError;
use crate::tree::Tree;

/// Endings of the files that are looked at.
const ENDINGS: [&str; 10] = [
    ".rs", ".md", ".toml", ".sh", ".c", ".ld", ".S", ".lock", ".json", "redleaf",
];

/// Folders that exist on one person's machine. Written in parts, so that the
/// rule does not find itself.
static MACHINE_PATH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let homes = [
        r"(/ho",
        r"me/[\w.-]+/|/ro",
        "ot/[.a-z]|/Us",
        r"ers/\w|C:\\Us",
        r"ers|/wo",
        "rk/[a-z])",
    ]
    .concat();
    Regex::new(&format!(r#"(^|[\s"'`(=:])({homes})"#)).ok()
});

/// A promise in a text that is not Rust; those are tidy's.
static PROMISE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&[r"\b(TO", "DO|FIX", r"ME)\b"].concat()).ok());

/// Checks every text of the tree.
///
/// # Errors
/// [`ToolError::File`] for a file that cannot be read.
pub fn check(tree: &Tree) -> Result<Findings, ToolError> {
    let mut findings = Findings::new();
    for path in source::files(tree, &ENDINGS)? {
        let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
        findings.extend(check_file(&shown(tree.root(), &path), &text));
    }
    Ok(findings)
}

/// Checks one file.
fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let matches =
        |regex: &Option<Regex>, line: &str| regex.as_ref().is_none_or(|regex| regex.is_match(line));
    let mut findings = Vec::new();
    for (position, line) in text.lines().enumerate() {
        if matches(&MACHINE_PATH, line) {
            let message = "a folder of one machine: expected a path relative to the tree";
            findings.push(Finding::new(path, position + 1, message));
        }
        if !path.ends_with(".rs") && matches(&PROMISE, line) {
            let message = "a promise in a text: do it, or file it";
            findings.push(Finding::new(path, position + 1, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check_file(path, text)
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn the_patterns_are_patterns() {
        assert!(MACHINE_PATH.is_some() && PROMISE.is_some());
    }

    #[test]
    fn folders_of_one_machine_are_found() {
        let home = ["see /ho", "me/ann/redleaf"].concat();
        let root = ["\"/ro", "ot/.cargo\""].concat();
        assert_eq!(lines("a.md", &format!("fine\n{home}\n")), [2]);
        assert_eq!(lines("a.rs", &root), [1]);
        assert_eq!(lines("a.rs", "cd /home/me; systems/rv6/root/bin"), [0; 0]);
    }

    #[test]
    fn promises_are_found_outside_of_rust() {
        let promise = ["TO", "DO: write"].concat();
        assert_eq!(lines("a.md", &promise), [1]);
        assert_eq!(lines("a.toml", "# all done"), [0; 0]);
    }
}
