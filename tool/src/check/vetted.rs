//! `vetted.toml` against what cargo resolved: no crate without an entry.
//!
//! The build checks the same for what an image contains and refuses it
//! ([`crate::build::trust`]); here every crate counts, the host's as well, and
//! so does an entry that nothing uses.

use std::collections::BTreeMap;
use std::fs;

use super::{Finding, Findings, line_of};
use crate::build::Workspace;
use crate::build::trust::{VettedList, read_checksums, read_vetted, vet};
use crate::error::ToolError;
use crate::tree::Tree;

/// The list.
const LIST: &str = "vetted.toml";

/// What cargo resolved.
const LOCK: &str = "Cargo.lock";

/// Ways to compile the tree that have dependencies of their own.
const CONFIGURATIONS: [&str; 3] = ["--cfg=redleaf_image", "--cfg=loom", "--cfg=fuzzing"];

/// Licences that the project's own can be combined with.
const LICENCES: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "Unlicense",
];

/// A crate from elsewhere that the tree uses.
#[derive(Clone, Debug)]
struct Used {
    source: String,
    licence: Option<String>,
    checksum: Option<String>,
}

/// Crates from elsewhere by name and version.
type UsedCrates = BTreeMap<(String, String), Used>;

/// Compares the list with cargo's graph.
///
/// # Errors
/// [`ToolError`] if the workspace or one of the lists cannot be read.
pub fn check(tree: &Tree) -> Result<Findings, ToolError> {
    let checksums = read_checksums(tree.root())?;
    let mut crates = UsedCrates::new();
    for flags in CONFIGURATIONS {
        for package in Workspace::read_with(tree.root(), flags)?.packages {
            let key = (package.name, package.version);
            if let Some(source) = package.source {
                let used = Used {
                    source,
                    licence: package.license,
                    checksum: checksums.get(&key).cloned(),
                };
                crates.insert(key, used);
            }
        }
    }
    let read = |name: &str| {
        let path = tree.path(name);
        fs::read_to_string(&path).map_err(ToolError::file("read", &path))
    };
    let texts = Texts {
        list: &read(LIST)?,
        lock: &read(LOCK)?,
    };
    Ok(compare(&read_vetted(tree.root())?, &crates, &texts))
}

/// The two lists as they are written, for the lines of findings.
struct Texts<'a> {
    list: &'a str,
    lock: &'a str,
}

impl Texts<'_> {
    fn entry(&self, key: &str, message: String) -> Finding {
        let line = self
            .list
            .lines()
            .position(|line| line == format!("[{key}]") || line == format!("[\"{key}\"]"));
        Finding::new(LIST, line.map_or(1, |line| line + 1), message)
    }

    fn locked(&self, name: &str, message: String) -> Finding {
        let line = line_of(self.lock, &format!("name = \"{name}\""));
        Finding::new(LOCK, line, message)
    }
}

/// What is wrong with either list.
fn compare(list: &VettedList, crates: &UsedCrates, texts: &Texts<'_>) -> Findings {
    let mut findings = Findings::new();
    for ((name, version), used) in crates {
        let exact = format!("{name}@{version}");
        let key = if list.contains_key(&exact) {
            &exact
        } else {
            name
        };
        let id = (name.clone(), version.clone());
        let vetted = vet(
            "the tree",
            &id,
            &used.source,
            used.checksum.as_deref(),
            list,
        );
        let Some(entry) = list.get(key) else {
            findings.extend(
                vetted
                    .err()
                    .map(|error| texts.locked(name, error.to_string())),
            );
            continue;
        };
        let mut complain = |message: String| findings.insert(texts.entry(key, message));
        if let Err(error) = vetted {
            complain(error.to_string());
        }
        let licence = used.licence.as_deref().unwrap_or("none");
        if entry.licence != licence {
            complain(format!(
                "the licence of {name} is {licence:?}, not {:?}",
                entry.licence
            ));
        }
        if !is_acceptable(licence) {
            complain(format!(
                "the licence of {name}, {licence:?}, is not acceptable"
            ));
        }
        if entry.why.trim().is_empty() {
            complain(format!("{name} has no reason: expected why it is used"));
        }
    }
    for key in list.keys() {
        let is_used = crates
            .keys()
            .any(|(name, version)| key == name || *key == format!("{name}@{version}"));
        if !is_used {
            findings.insert(texts.entry(key, format!("nothing uses {key}: delete the entry")));
        }
    }
    findings
}

/// Whether one alternative of an SPDX expression consists of accepted licences.
fn is_acceptable(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    split_outside(&expression, " OR ")
        .into_iter()
        .any(|alternative| {
            split_outside(alternative, " AND ").into_iter().all(|part| {
                let inner = part
                    .strip_prefix('(')
                    .and_then(|rest| rest.strip_suffix(')'));
                inner.map_or_else(|| LICENCES.contains(&part), is_acceptable)
            })
        })
}

/// Splits a text at a word, but not inside parentheses.
fn split_outside<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (position, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && position >= start && text[position..].starts_with(word) => {
                parts.push(text[start..position].trim());
                start = position + word.len();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::trust::REGISTRY;

    const GOOD: &str = "[one]\nversion = \"1.0.0\"\nlicence = \"MIT OR Apache-2.0\"\nwhy = \"used\"\nchecksum = \"aa\"\n";

    fn used(source: &str, licence: &str, checksum: &str) -> Used {
        Used {
            source: source.to_owned(),
            licence: Some(licence.to_owned()),
            checksum: Some(checksum.to_owned()),
        }
    }

    fn messages(list: &str, name: &str, version: &str, used: Used) -> Vec<String> {
        let crates = UsedCrates::from([((name.to_owned(), version.to_owned()), used)]);
        let texts = Texts {
            list,
            lock: "[[package]]\nname = \"one\"\n",
        };
        compare(&toml::from_str(list).unwrap(), &crates, &texts)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn registry(licence: &str) -> Used {
        used(REGISTRY, licence, "aa")
    }

    #[test]
    fn an_exact_entry_is_good() {
        let good = registry("MIT OR Apache-2.0");
        assert!(messages(GOOD, "one", "1.0.0", good.clone()).is_empty());
        let two_versions = GOOD.replace("[one]", "[\"one@1.0.0\"]");
        assert!(messages(&two_versions, "one", "1.0.0", good).is_empty());
    }

    #[track_caller]
    fn fires(list: &str, version: &str, used: Used, expected: &str) {
        let messages = messages(list, "one", version, used);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].contains(expected), "{messages:?}");
    }

    #[test]
    fn each_difference_is_found() {
        let good = || registry("MIT OR Apache-2.0");
        let unlisted = "Cargo.lock:2: the tree is refused: it uses one 1.0.0, which";
        fires("", "1.0.0", good(), unlisted);
        let version = "vetted.toml:1: the tree is refused: it uses one 1.0.1, but 1.0.0";
        fires(GOOD, "1.0.1", good(), version);
        let other = used(REGISTRY, "MIT OR Apache-2.0", "bb");
        fires(GOOD, "1.0.0", other, "the checksum of one 1.0.0");
        let unsummed = GOOD.replace("checksum = \"aa\"\n", "");
        fires(&unsummed, "1.0.0", good(), "the checksum of one");
        fires(
            GOOD,
            "1.0.0",
            registry("MIT"),
            "the licence of one is \"MIT\"",
        );
        let git = used("git+https://example.org", "MIT OR Apache-2.0", "aa");
        fires(
            GOOD,
            "1.0.0",
            git,
            "only the tree and crates.io are allowed",
        );
        let elsewhere = used("registry+https://example.org", "MIT OR Apache-2.0", "aa");
        fires(
            GOOD,
            "1.0.0",
            elsewhere,
            "only the tree and crates.io are allowed",
        );
        let silent = GOOD.replace("\"used\"", "\" \"");
        fires(&silent, "1.0.0", good(), "no reason");
        let unfree = GOOD.replace("MIT OR Apache-2.0", "GPL-3.0");
        fires(&unfree, "1.0.0", registry("GPL-3.0"), "not acceptable");
    }

    #[test]
    fn an_entry_nothing_uses_is_found() {
        let list = format!("{GOOD}{}", GOOD.replace("[one]", "[two]"));
        let good = registry("MIT OR Apache-2.0");
        fires(&list, "1.0.0", good, "vetted.toml:6: nothing uses two");
    }

    #[test]
    fn licences_are_read_as_expressions() {
        assert!(is_acceptable("MIT"));
        assert!(is_acceptable("Unlicense/MIT"));
        assert!(is_acceptable("GPL-2.0 OR MIT"));
        assert!(is_acceptable("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!is_acceptable("(MIT OR GPL-2.0) AND GPL-2.0"));
        assert!(!is_acceptable("GPL-2.0 AND Apache-2.0"));
        assert!(!is_acceptable("none"));
    }
}
