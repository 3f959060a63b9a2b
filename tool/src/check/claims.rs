//! Tests that documents name as evidence: each must be there.
//!
//! `wall: …` in backquotes is the name of an attack, or, with an ellipsis at its end,
//! what the names of some begin with.

use std::fs;

use super::{Finding, Findings};
use crate::error::ToolError;
use crate::test;
use crate::tree::Tree;

/// Where documents lie, besides the tree's top.
const FOLDERS: [&str; 2] = ["", "docs"];

/// What names of attacks begin with.
const START: &str = "wall: ";

/// Looks for the tests that documents name.
///
/// # Errors
/// [`ToolError`] if a document or a table of tests cannot be read.
pub fn check(tree: &Tree) -> Result<Findings, ToolError> {
    let names = test::attack_names(tree)?;
    let mut findings = Findings::new();
    for folder in FOLDERS {
        let path = tree.path(folder);
        let entries = fs::read_dir(&path).map_err(ToolError::file("read", &path))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "md") {
                let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
                let relative = path.strip_prefix(tree.root()).unwrap_or(&path);
                findings.extend(unknown(&relative.display().to_string(), &text, &names));
            }
        }
    }
    Ok(findings)
}

/// Named tests of a document that are not there.
fn unknown(path: &str, text: &str, names: &[String]) -> Findings {
    let is_known = |claim: &str| match claim.strip_suffix('…') {
        Some(start) => names.iter().any(|name| name.starts_with(start.trim_end())),
        None => names.iter().any(|name| name == claim),
    };
    let claims = claims(text).into_iter();
    let unknown = claims.filter(|(_, claim)| !is_known(claim));
    unknown
        .map(|(line, claim)| Finding::new(path, line, format!("there is no test {claim:?}")))
        .collect()
}

/// Names in backquotes, which may go on in the next line, with the lines they begin in.
fn claims(text: &str) -> Vec<(usize, String)> {
    let mut line = 1;
    let mut claims = Vec::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 && part.starts_with(START) {
            let words: Vec<&str> = part.split_whitespace().collect();
            claims.push((line, words.join(" ")));
        }
        line += part.matches('\n').count();
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_named_as_a_whole_or_by_its_start() {
        let names = ["wall: build: host code: a".to_owned(), "wall: b".to_owned()];
        let text = "see `wall: build: host\n  code…`, `wall: b`,\n`no wall: x`\nand `wall: c`.";
        let found = unknown("a.md", text, &names);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["a.md:4: there is no test \"wall: c\""]);
        assert_eq!(unknown("a.md", "`wall: build: host`", &names).len(), 1);
    }
}
