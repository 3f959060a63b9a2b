//! Scripts run by RedLeaf's shell and tools and by the host's, and compared.
//!
//! `tests/shell` has the scripts ([`snippets`]), sorted by the sections of POSIX's
//! Shell Command Language. Each is run by the host's dash ([`mod@reference`]), and all of
//! them in one boot by RedLeaf's `sh` ([`product`]). Output and status must be equal;
//! of standard error only whether there is any. What may differ is a list with
//! reasons, `allowed.toml`, in which everything is used. `tests/tools` has command
//! lines, sorted by the tool that each is about; there the host's tools answer.

mod product;
mod reference;
mod snippets;

use std::time::Instant;

use snippets::{Allowed, Form, Snippet};

use super::{Counts, Speed};
use crate::error::ToolError;
use crate::tree::Tree;

/// Scripts of one kind.
pub struct Corpus {
    /// What is compared, in words.
    subject: &'static str,
    /// Where the scripts are, relative to the tree.
    folder: &'static str,
    /// How they stand in its files.
    form: Form,
}

/// All of them.
pub const CORPORA: [Corpus; 2] = [
    Corpus {
        subject: "the shell does what dash does",
        folder: "tests/shell",
        form: Form::Scripts,
    },
    Corpus {
        subject: "the tools do what GNU's do",
        folder: "tests/tools",
        form: Form::Lines,
    },
];

/// What a script led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    stdout: Vec<u8>,
    has_complained: bool,
    /// The exit status, or in words what else happened.
    status: String,
}

/// How a script's two outcomes compare.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Equal,
    Allowed,
    Unexplained(String),
}

impl Corpus {
    /// How long it takes.
    pub const fn speed(&self) -> Speed {
        Speed::Quick
    }

    /// Its name in reports and filters.
    pub fn full_name(&self) -> String {
        format!("hosted: {}", self.subject)
    }

    /// Runs it and reports; counts one.
    ///
    /// # Errors
    /// [`ToolError`] when it cannot be run at all.
    pub fn run(&self, tree: &Tree) -> Result<Counts, ToolError> {
        let begin = Instant::now();
        let snippets = snippets::read(tree, self.folder, self.form)?;
        let allowed = Allowed::read(tree, self.folder)?;
        let product = product::run(tree, &snippets)?;
        let outcomes = match product {
            Ok(outcomes) => outcomes,
            Err(log) => {
                let failures = ["the scripts did not come to their end".to_owned()];
                let time = begin.elapsed().as_secs_f64();
                return super::report_with_log(tree, time, &self.full_name(), &failures, &log);
            }
        };
        let reference = reference::run(tree, &snippets)?;
        let verdicts: Vec<Verdict> = (snippets.iter().zip(&reference).zip(&outcomes))
            .map(|((snippet, expected), found)| judge(snippet, expected, found, &allowed))
            .collect();
        let mut failures: Vec<String> = (verdicts.iter())
            .filter_map(|verdict| match verdict {
                Verdict::Unexplained(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        let count = |wanted| verdicts.iter().filter(|one| **one == wanted).count();
        let (equal, excused) = (count(Verdict::Equal), count(Verdict::Allowed));
        let unexplained = failures.len();
        failures.extend(allowed.unused(&snippets, &verdicts));
        let name = format!(
            "{} ({equal} equal, {excused} allowed, {unexplained} unexplained)",
            self.full_name()
        );
        Ok(super::report(
            begin.elapsed().as_secs_f64(),
            &name,
            &failures,
        ))
    }
}

fn judge(snippet: &Snippet, expected: &Outcome, found: &Outcome, allowed: &Allowed) -> Verdict {
    if expected == found {
        return Verdict::Equal;
    }
    if allowed.has(&snippet.name) {
        return Verdict::Allowed;
    }
    let mut text = format!("{}:", snippet.name);
    if expected.status != found.status {
        let (expected, found) = (&expected.status, &found.status);
        text += &format!(" status {expected} is {found};");
    }
    if expected.stdout != found.stdout {
        let (expected, found) = (shown(&expected.stdout), shown(&found.stdout));
        text += &format!(" output {expected:?} is {found:?};");
    }
    if expected.has_complained != found.has_complained {
        text += match expected.has_complained {
            true => " a complaint is missing;",
            false => " there is a complaint;",
        };
    }
    Verdict::Unexplained(text)
}

/// Output as a message shows it.
fn shown(output: &[u8]) -> String {
    const SHOWN_BYTES: usize = 300;
    String::from_utf8_lossy(&output[..output.len().min(SHOWN_BYTES)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(stdout: &str, status: &str) -> Outcome {
        Outcome {
            stdout: stdout.into(),
            has_complained: false,
            status: status.into(),
        }
    }

    fn snippet(name: &str) -> Snippet {
        Snippet {
            name: name.into(),
            text: String::new(),
        }
    }

    #[test]
    fn a_difference_is_explained_or_told() {
        let allowed = Allowed::parse("[[allowed]]\nsnippet = \"b\"\nreason = \"because\"\n");
        let allowed = allowed.expect("a list");
        let judge = |name, found| judge(&snippet(name), &outcome("x", "0"), &found, &allowed);
        assert_eq!(judge("a", outcome("x", "0")), Verdict::Equal);
        assert_eq!(judge("b", outcome("y", "0")), Verdict::Allowed);
        let Verdict::Unexplained(text) = judge("a", outcome("y", "1")) else {
            panic!("it is neither equal nor allowed");
        };
        assert_eq!(text, "a: status 0 is 1; output \"x\" is \"y\";");
    }

    #[test]
    fn what_is_allowed_and_does_not_happen_is_a_failure() {
        let allowed = Allowed::parse(
            "[[allowed]]\nsnippet = \"a\"\nreason = \"r\"\n\
             [[allowed]]\nsnippet = \"gone\"\nreason = \"r\"\n",
        );
        let allowed = allowed.expect("a list");
        let snippets = [snippet("a")];
        assert_eq!(allowed.unused(&snippets, &[Verdict::Allowed]).len(), 1);
        assert_eq!(allowed.unused(&snippets, &[Verdict::Equal]).len(), 2);
    }
}
