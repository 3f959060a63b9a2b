//! The known holes of the compiler, each compiled and each refused.
//!
//! Every file of `tests/holes` is safe Rust that breaks a wall by a soundness bug
//! of rustc. Its head says which one (`Issue`), what an attacker would have
//! (`Gives`), what was seen when it was run (`Seen`), which checks of the build must
//! refuse it (`Refused by`), and a part of the reason (`Reason`). Exactly these
//! checks have to refuse it, and plain rustc has to accept it: so another compiler
//! that answers anything differently is a finding, too. `Refused by: compiler` is
//! for a hole of the next solver alone, `nothing` for shapes that must pass, and
//! `library …` for what a file's `Library` is refused by.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Finding, Findings, shown};
use crate::build::holes::{self, Refusal};
use crate::build::start_error;
use crate::error::ToolError;
use crate::progress::Step;
use crate::tree::Tree;

/// The corpus.
const FOLDER: &str = "tests/holes";

/// End of the name of a library that another file uses.
const LIBRARY: &str = ".lib.rs";

/// What the head of a file says.
#[derive(Debug, Default)]
struct Head {
    issue: String,
    refused_by: BTreeSet<String>,
    reason: String,
    library: Option<String>,
}

/// A file, its head, and what became of it.
type Judged = (PathBuf, Result<(Head, Answer), ToolError>);

/// What became of a file.
enum Answer {
    /// Refused as it says, with the reason.
    Refused(String),
    /// Allowed, as it says.
    Allowed,
    /// Something else than it says.
    Wrong(String),
}

/// Compiles and examines the corpus.
///
/// # Errors
/// [`ToolError`] if the corpus cannot be read or the compiler not be started.
pub fn check(tree: &Tree, step: &Step) -> Result<Findings, ToolError> {
    let files = files(&tree.path(FOLDER))?;
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::new());
    let count = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    step.detail(&shown(tree.root(), path));
                    let answer = judge(tree, path);
                    let mut answers = answers.lock().unwrap_or_else(|error| error.into_inner());
                    answers.push((path.clone(), answer));
                }
            });
        }
    });
    let mut answers = answers
        .into_inner()
        .unwrap_or_else(|error| error.into_inner());
    answers.sort_by(|(one, _), (other, _)| one.cmp(other));
    report(tree, answers)
}

/// Prints the answers; those that are not as expected are findings.
fn report(tree: &Tree, answers: Vec<Judged>) -> Result<Findings, ToolError> {
    let mut findings = Findings::new();
    let (mut refused, mut all) = (0, 0);
    for (path, answer) in answers {
        let path = shown(tree.root(), &path);
        let name = path.rsplit('/').next().unwrap_or(&path);
        let (head, answer) = answer?;
        match answer {
            Answer::Refused(reason) => {
                (refused, all) = (refused + 1, all + 1);
                println!("{name} ({}): {reason}", head.issue);
            }
            Answer::Allowed => {}
            Answer::Wrong(message) => {
                all += usize::from(!head.refused_by.is_empty());
                findings.insert(Finding::new(&path, 1, message));
            }
        }
    }
    println!("holes: {refused} refused of {all}");
    Ok(findings)
}

/// The files of the corpus, without libraries of others.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ToolError> {
    let entries = fs::read_dir(folder).map_err(ToolError::file("read", folder))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".rs") && !name.ends_with(LIBRARY)
        })
        .collect();
    files.sort();
    Ok(files)
}

/// Reads the head of a file.
fn head(text: &str) -> Head {
    let mut head = Head::default();
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    for (key, value) in lines.filter_map(|line| line.trim().split_once(": ")) {
        let value = value.to_owned();
        match key {
            "Issue" => head.issue = value,
            "Reason" => head.reason = value,
            "Library" => head.library = Some(value),
            "Refused by" => {
                let names = value.split(',').map(|name| name.trim().to_owned());
                head.refused_by = names.filter(|name| name != "nothing").collect();
            }
            _ => {}
        }
    }
    head
}

/// Compiles and examines a file.
fn judge(tree: &Tree, path: &Path) -> Result<(Head, Answer), ToolError> {
    let text = fs::read_to_string(path).map_err(ToolError::file("read", path))?;
    let head = head(&text);
    let scratch = tempfile::tempdir().map_err(ToolError::file("make", Path::new("a folder")))?;
    let mut reasons = Vec::new();
    let mut arguments = arguments(path, "bin");
    if let Some(library) = head.library.clone() {
        let path = path.with_file_name(&library);
        let name = library.trim_end_matches(LIBRARY);
        let made = scratch.path().join(format!("lib{name}.rmeta"));
        let mut own = self::arguments(&path, "lib");
        own.push(format!("--crate-name={name}").into());
        if let Some(error) = compile(tree, &own, &made)? {
            let message = format!("rustc refuses {library}: {error}");
            return Ok((head, Answer::Wrong(message)));
        }
        reasons.extend(examined(&own, "library ")?);
        arguments.push(format!("--extern={name}={}", made.display()).into());
    }
    let made = scratch.path().join("made.rmeta");
    if let Some(error) = compile(tree, &arguments, &made)? {
        reasons.push(("compiler".to_owned(), error));
        // The next solver alone would let it pass.
        if let Some(refusal) = holes::next_solver(&"rustc".into(), &arguments)? {
            reasons.push(("solver".to_owned(), refusal.to_string()));
        }
    } else {
        reasons.extend(examined(&arguments, "")?);
    }
    let root = format!("{}/", tree.root().display());
    for (_, reason) in &mut reasons {
        *reason = reason.replace(&root, "");
    }
    let answer = compare(&head, &reasons);
    Ok((head, answer))
}

/// Compares the checks that refuse a file with those that its head names.
fn compare(head: &Head, reasons: &[(String, String)]) -> Answer {
    let by: BTreeSet<String> = reasons.iter().map(|(name, _)| name.clone()).collect();
    let list = |names: &BTreeSet<String>| match names.len() {
        0 => "nothing".to_owned(),
        _ => names.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    let all: Vec<String> = reasons
        .iter()
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    if by != head.refused_by {
        return Answer::Wrong(format!(
            "refused by {}, expected {}: {}",
            list(&by),
            list(&head.refused_by),
            all.join("; ")
        ));
    }
    if by.is_empty() {
        return Answer::Allowed;
    }
    match all.iter().find(|reason| reason.contains(&head.reason)) {
        Some(reason) => Answer::Refused(reason.clone()),
        None => Answer::Wrong(format!(
            "no reason says {:?}: {}",
            head.reason,
            all.join("; ")
        )),
    }
}

/// The checks that refuse a file, by name, and why.
fn examined(arguments: &[OsString], prefix: &str) -> Result<Vec<(String, String)>, ToolError> {
    let refusals = holes::examine(&"rustc".into(), arguments)?;
    let named = |refusal: &Refusal| {
        let name = format!("{prefix}{}", refusal.check.name());
        (name, refusal.to_string())
    };
    Ok(refusals.iter().map(named).collect())
}

/// What the compiler is told of a file.
fn arguments(path: &Path, kind: &str) -> Vec<OsString> {
    vec![
        "--edition=2024".into(),
        format!("--crate-type={kind}").into(),
        "-Funsafe_code".into(),
        path.into(),
    ]
}

/// Compiles a file as every crate is; the first error.
fn compile(tree: &Tree, arguments: &[OsString], made: &Path) -> Result<Option<String>, ToolError> {
    let output = Command::new("rustc")
        .args(arguments)
        .arg(format!("--emit=metadata={}", made.display()))
        .arg("-Awarnings")
        .current_dir(tree.root())
        .output()
        .map_err(start_error("rustc"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().filter(|line| line.starts_with("error"));
    let error = lines
        .next()
        .map_or_else(|| output.status.to_string(), str::to_owned);
    Ok((!output.status.success()).then_some(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "//! A.\n//!\n//! Issue: 7\n//! Refused by: casts, shapes\n//! Reason: cast to\n\nfn main() {}\n//! Issue: 8\n";

    fn reasons(names: &[&str]) -> Vec<(String, String)> {
        let reason = |name: &&str| ((*name).to_owned(), "a.rs:1: a cast to b".to_owned());
        names.iter().map(reason).collect()
    }

    #[test]
    fn the_head_names_issue_and_checks() {
        let head = head(HEAD);
        assert_eq!(head.issue, "7");
        assert_eq!(head.refused_by.len(), 2);
        assert_eq!(head.reason, "cast to");
    }

    #[test]
    fn exactly_the_named_checks_must_refuse() {
        let head = head(HEAD);
        let is_refused =
            |names: &[&str]| matches!(compare(&head, &reasons(names)), Answer::Refused(_));
        assert!(is_refused(&["casts", "shapes", "shapes"]));
        assert!(!is_refused(&["casts"]));
        assert!(!is_refused(&["casts", "shapes", "solver"]));
        assert!(!is_refused(&[]));
    }

    #[test]
    fn another_reason_is_wrong() {
        let mut head = head(HEAD);
        head.reason = "something else".to_owned();
        let answer = compare(&head, &reasons(&["casts", "shapes"]));
        assert!(matches!(answer, Answer::Wrong(_)));
    }

    #[test]
    fn what_must_pass_is_refused_by_nothing() {
        let head = head("//! Refused by: nothing\n");
        assert!(matches!(compare(&head, &[]), Answer::Allowed));
        assert!(matches!(
            compare(&head, &reasons(&["casts"])),
            Answer::Wrong(_)
        ));
    }
}
