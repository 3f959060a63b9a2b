//! Cargo's tests of every package that runs on the host.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::Counts;
use crate::build::{Gate, Keys, cargo, start_error};
use crate::cli::TestOptions;
use crate::error::ToolError;
use crate::tree::Tree;

/// Packages that cannot be linked for the host, and why.
const NOT_ON_THE_HOST: [(&str, &str); 0] = [];

/// Folders under `target/host` that tests and their build write; the host tool is
/// built beside them, and no test may change it.
const FOLDERS: [&str; 4] = ["debug", "nextest", "tests", "tmp"];

/// Runs the host tests, with nextest if it is there.
///
/// # Errors
/// [`ToolError::Start`] if cargo cannot be started.
pub fn run(tree: &Tree, options: &TestOptions) -> Result<Counts, ToolError> {
    let gate = Gate::pass(tree)?;
    let has_nextest = has_nextest();
    let mut command = gate.cargo(&FOLDERS.map(|folder| tree.target("host").join(folder)))?;
    if has_nextest {
        // Nextest prints to standard error alone.
        command.args([
            "nextest",
            "run",
            "--locked",
            "--no-fail-fast",
            "--no-tests=pass",
        ]);
        command.args(["--status-level", "fail", "--final-status-level", "fail"]);
        command.args(["--hide-progress-bar", "--failure-output", "immediate"]);
    } else {
        command.args([
            "test",
            "--locked",
            "--no-fail-fast",
            "--quiet",
            "--lib",
            "--bins",
            "--tests",
        ]);
    }
    for package in gate.workspace().members() {
        if !NOT_ON_THE_HOST
            .iter()
            .any(|(name, _)| *name == package.name)
        {
            command.args(["-p", &package.name]);
        }
    }
    if let Some(filter) = &options.filter {
        command.arg(filter);
    }
    eprintln!("redleaf: host tests");
    let mut child = command
        .current_dir(tree.root())
        .env("CARGO_TARGET_DIR", tree.target("host"))
        .stdin(Stdio::null())
        .stdout(if has_nextest {
            Stdio::inherit()
        } else {
            Stdio::piped()
        })
        .stderr(if has_nextest {
            Stdio::piped()
        } else {
            Stdio::inherit()
        })
        .spawn()
        .map_err(start_error("cargo"))?;
    let mut counts = Counts::default();
    if let Some(output) = child.stderr.take() {
        counts.add(copy_and_count(BufReader::new(output)));
    }
    if let Some(output) = child.stdout.take() {
        counts.add(copy_and_count(BufReader::new(output)));
    }
    let status = child.wait().map_err(start_error("cargo"))?;
    // On a kernel that confines nothing, tests may have opened the key to others.
    Keys::load_or_make(tree)?;
    if !status.success() && counts.failed == 0 {
        // A test that did not build is a test that failed.
        counts.failed = 1;
    }
    eprintln!(
        "redleaf: host tests: {} passed, {} failed",
        counts.passed, counts.failed
    );
    Ok(counts)
}

fn has_nextest() -> bool {
    Command::new(cargo())
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Shows a runner's output and adds up its closing lines.
fn copy_and_count(output: impl BufRead) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines().map_while(Result::ok) {
        eprintln!("{line}");
        if let Some(found) = closing_line(&line) {
            counts.add(found);
        }
    }
    counts
}

/// Counts of a closing line of `cargo test` or `cargo nextest`.
fn closing_line(line: &str) -> Option<Counts> {
    let line = line.trim();
    let rest = line
        .strip_prefix("test result:")
        .or_else(|| line.strip_prefix("Summary"))?;
    let number_before = |word: &str| {
        let words: Vec<&str> = rest
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        words
            .windows(2)
            .find(|pair| pair[1] == word)
            .and_then(|pair| pair[0].parse().ok())
            .unwrap_or(0)
    };
    Some(Counts {
        passed: number_before("passed"),
        // Nextest counts a test that ran too long on its own.
        failed: number_before("failed") + number_before("timed"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_read() {
        let counts = |passed, failed| Some(Counts { passed, failed });
        assert_eq!(
            closing_line("test result: FAILED. 8 passed; 1 failed; 0 ignored; 0 measured"),
            counts(8, 1)
        );
        assert_eq!(
            closing_line("     Summary [   0.06s] 11 tests run: 10 passed, 1 failed, 3 skipped"),
            counts(10, 1)
        );
        assert_eq!(closing_line("test it ... ok"), None);
    }
}
