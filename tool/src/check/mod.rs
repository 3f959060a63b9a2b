//! `./redleaf check`: the rules of the house, each shown with file and line.
//!
//! [`RULES`] is the table of them, quick ones first. A rule is a function from
//! the tree to what is wrong in it:
//!
//! - [`tidy`]: each Rust file by itself, by its tokens ([`source`]);
//! - [`text`]: every other text file, and paths that exist on one machine only;
//! - [`claims`]: tests that documents name against the tables of tests;
//! - [`roots`]: the attribute that refuses `unsafe`, in each crate's root;
//! - [`readme`]: the folder map against the folders;
//! - [`layers`]: the table of who may import whom, against
//!   cargo's graph;
//! - [`vetted`]: `vetted.toml` against what cargo resolved;
//! - [`surface`]: what safe code can reach in `trusted/`, against the reviewed list;
//! - [`holes`]: that the build refuses what the compiler is known to miss;
//! - [`lint`]: formatting, clippy and rustdoc, whose warnings are errors.

mod claims;
mod holes;
mod lint;
mod readme;
mod roots;
mod source;
mod surface;
mod text;
mod tidy;
mod vetted;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::Instant;

use crate::build::layers;
use crate::cli::CheckOptions;
use crate::error::ToolError;
use crate::progress::Step;
use crate::tree::Tree;

/// Everything that one rule finds, without repetitions, in order of place.
pub type Findings = BTreeSet<Finding>;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the tree.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl Finding {
    /// Something wrong in a line of a file.
    pub fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        let (path, message) = (path.to_owned(), message.into());
        Self {
            path,
            line,
            message,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A rule: its name on the command line, what it looks at, and how.
struct Rule {
    name: &'static str,
    title: &'static str,
    run: fn(&Tree, &Step) -> Result<Findings, ToolError>,
}

/// All rules in the order they are run.
const RULES: [Rule; 12] = [
    Rule {
        name: "tidy",
        title: "Rust sources",
        run: |tree, _| tidy::check(tree),
    },
    Rule {
        name: "text",
        title: "texts",
        run: |tree, _| text::check(tree),
    },
    Rule {
        name: "readme",
        title: "the README's folder map",
        run: |tree, _| readme::check(tree),
    },
    Rule {
        name: "claims",
        title: "tests that documents name",
        run: |tree, _| claims::check(tree),
    },
    Rule {
        name: "roots",
        title: "#![forbid(unsafe_code)] in crate roots",
        run: |tree, _| roots::check(tree),
    },
    Rule {
        name: "layers",
        title: "who imports whom",
        run: |tree, _| layers::check(tree),
    },
    Rule {
        name: "vetted",
        title: "crates from the registry",
        run: |tree, _| vetted::check(tree),
    },
    Rule {
        name: "surface",
        title: "what safe code can reach in trusted/",
        run: |tree, _| surface::check(tree),
    },
    Rule {
        name: "holes",
        title: "known holes of the compiler",
        run: holes::check,
    },
    Rule {
        name: "fmt",
        title: "formatting",
        run: |tree, _| lint::format(tree),
    },
    Rule {
        name: "clippy",
        title: "clippy",
        run: lint::clippy,
    },
    Rule {
        name: "docs",
        title: "documentation",
        run: lint::docs,
    },
];

/// Why the tree could not be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A rule that does not exist is asked for.
    #[error("there is no rule {name:?}: expected {known}")]
    NoRule {
        /// Name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
}

/// Carries out `./redleaf check`.
///
/// # Errors
/// [`CheckError::NoRule`], or any [`ToolError`] that keeps a rule from looking.
pub fn command(tree: &Tree, options: &CheckOptions) -> Result<u8, ToolError> {
    let rules = chosen(&options.rules)?;
    let (mut passed, mut failed) = (0, 0);
    for rule in rules {
        let begin = Instant::now();
        let step = Step::start(&format!("check {}: {}", rule.name, rule.title));
        let findings = (rule.run)(tree, &step)?;
        drop(step);
        for finding in &findings {
            println!("{finding} [{}]", rule.name);
        }
        let word = if findings.is_empty() { "ok  " } else { "FAIL" };
        let seconds = begin.elapsed().as_secs_f64();
        eprintln!("{word} {seconds:6.1} s  {}: {}", rule.name, rule.title);
        if findings.is_empty() {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(u8::from(failed > 0))
}

/// The rules of these names; without names, all.
fn chosen(names: &[String]) -> Result<Vec<&'static Rule>, CheckError> {
    if names.is_empty() {
        return Ok(RULES.iter().collect());
    }
    let find = |name: &String| {
        RULES
            .iter()
            .find(|rule| rule.name == name)
            .ok_or_else(|| CheckError::NoRule {
                name: name.clone(),
                known: RULES.map(|rule| rule.name).join(", "),
            })
    };
    names.iter().map(find).collect()
}

/// A path as findings show it: relative to the tree if it lies there.
pub fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Number of the first line that contains a text, from 1; 1 if none does.
pub fn line_of(text: &str, wanted: &str) -> usize {
    text.lines()
        .position(|line| line.contains(wanted))
        .map_or(1, |position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_with_its_place() {
        let finding = Finding::new("lib/a.rs", 7, "wrong");
        assert_eq!(finding.to_string(), "lib/a.rs:7: wrong");
    }

    #[test]
    fn rules_are_chosen_by_name_and_unknown_ones_refused() {
        let names = |rules: Vec<&Rule>| rules.iter().map(|rule| rule.name).collect::<Vec<_>>();
        assert_eq!(chosen(&[]).unwrap().len(), RULES.len());
        let two = chosen(&["fmt".to_owned(), "tidy".to_owned()]).unwrap();
        assert_eq!(names(two), ["fmt", "tidy"]);
        let error = chosen(&["lint".to_owned()]).err().unwrap().to_string();
        assert!(
            error.starts_with("there is no rule \"lint\": expected tidy,"),
            "{error}"
        );
    }
}
