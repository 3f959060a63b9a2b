//! The command line as users meet it: a table of commands and their answers.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use regex::Regex;
use serde::Deserialize;

use super::{Counts, Speed, TestError};
use crate::build::start_error;
use crate::disk;
use crate::error::ToolError;
use crate::tree::Tree;

/// The table, relative to the tree.
const TABLE: &str = "tests/commands.toml";

/// What starts the lines that say what the tool is doing; never its answer.
const PROGRESS: [&str; 5] = ["building ", "check ", "making ", "running ", "writing "];

/// The table's top level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    command: Vec<Case>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    name: String,
    #[serde(default)]
    speed: Speed,
    /// For `sh`, in an empty folder; `$REDLEAF` is the tool.
    run: String,
    #[serde(default)]
    status: i32,
    /// Pattern of the whole standard output.
    #[serde(default)]
    stdout: Option<String>,
    /// Pattern of the one line on standard error.
    #[serde(default)]
    complaint: Option<String>,
    /// Patterns that standard error has, in any order.
    #[serde(default)]
    stderr: Vec<String>,
}

/// Reads the table.
///
/// # Errors
/// [`TestError::Table`] or [`ToolError::File`].
pub fn read(tree: &Tree) -> Result<Vec<Case>, ToolError> {
    let path = tree.path(TABLE);
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    let table: Table = toml::from_str(&text).map_err(|error| table_error(&error))?;
    for case in &table.command {
        for pattern in case.patterns() {
            Regex::new(pattern).map_err(|error| table_error(&error))?;
        }
    }
    Ok(table.command)
}

fn table_error(error: &dyn std::fmt::Display) -> TestError {
    TestError::Table {
        file: TABLE,
        message: error.to_string().trim().to_owned(),
    }
}

impl Case {
    /// How long it takes.
    pub const fn speed(&self) -> Speed {
        self.speed
    }

    /// Its name in reports and filters.
    pub fn full_name(&self) -> String {
        format!("command line: {}", self.name)
    }

    fn patterns(&self) -> impl Iterator<Item = &String> {
        let whole = self.stdout.iter().chain(&self.complaint);
        whole.chain(&self.stderr)
    }

    /// Runs it and reports; counts one.
    ///
    /// # Errors
    /// [`ToolError`] when it cannot be run at all.
    pub fn run(&self, tree: &Tree) -> Result<Counts, ToolError> {
        let begin = Instant::now();
        let folder = tempfile::tempdir()
            .map_err(ToolError::file("make a folder in", &std::env::temp_dir()))?;
        let output = Command::new("sh")
            .args(["-euc", &self.run])
            .current_dir(folder.path())
            .env("REDLEAF", tree.path("redleaf"))
            .env("PATH", disk::search_path())
            .stdin(Stdio::null())
            .output()
            .map_err(start_error("sh"))?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let failures = self.judge(output.status.code(), &stdout, &stderr);
        let time = begin.elapsed().as_secs_f64();
        super::report_with_log(tree, time, &self.full_name(), &failures, &stderr)
    }

    fn judge(&self, status: Option<i32>, stdout: &str, stderr: &str) -> Vec<String> {
        let mut failures = Vec::new();
        if status != Some(self.status) {
            let expected = self.status;
            failures.push(format!("expected exit status {expected}, found {status:?}"));
        }
        if let Some(pattern) = &self.stdout
            && !matches(&format!("^(?:{pattern})$"), stdout)
        {
            failures.push(format!("expected standard output {pattern:?}: {stdout:?}"));
        }
        if let Some(pattern) = &self.complaint {
            let lines: Vec<&str> = stderr.lines().filter(|line| !is_progress(line)).collect();
            match lines[..] {
                [line] if matches(pattern, line) => {}
                _ => failures.push(format!("expected one line {pattern:?}, found {lines:?}")),
            }
        }
        for pattern in &self.stderr {
            if !matches(&format!("(?m){pattern}"), stderr) {
                failures.push(format!(
                    "expected {pattern:?} on standard error: {stderr:?}"
                ));
            }
        }
        failures
    }
}

/// Whether a line says what the tool is doing.
pub fn is_progress(line: &str) -> bool {
    let said = line.strip_prefix("redleaf: ");
    said.is_some_and(|said| PROGRESS.iter().any(|start| said.starts_with(start)))
}

/// Whether a text has a pattern, which its table's reader has looked at.
pub fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(fields: &str) -> Case {
        toml::from_str(&format!("name = \"a\"\nrun = \"\"\n{fields}")).expect("a case")
    }

    #[test]
    fn one_complaint_is_one_line_beside_progress() {
        let case = case("status = 2\ncomplaint = \"expected\"");
        let judge = |stderr| case.judge(Some(2), "", stderr);
        assert_eq!(judge("redleaf: building it\nexpected one\n").len(), 0);
        assert_eq!(judge("expected one\nand more\n").len(), 1);
        assert_eq!(judge("unexpected\n").len(), 0);
        assert_eq!(judge("").len(), 1);
    }

    #[test]
    fn status_and_whole_output_count() {
        let case = case("stdout = \"a\\n\"");
        assert_eq!(case.judge(Some(0), "a\n", "noise").len(), 0);
        assert_eq!(case.judge(Some(0), "ba\n", "").len(), 1);
        assert_eq!(case.judge(None, "a\n", "").len(), 1);
    }
}
