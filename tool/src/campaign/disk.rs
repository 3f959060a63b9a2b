//! Looks at the disk from outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::build;
use crate::disk::search_path;
use crate::error::ToolError;
use crate::run::RunFolder;

/// The folder of the workload's files, on the disk.
const FOLDER: &str = "/campaign";

/// Checks the file system, and that each file holds what the workload was told
/// it had written; what does not hold.
pub fn check(
    disk: &Path,
    kept: &[(String, String)],
    folder: &RunFolder,
) -> Result<Vec<String>, ToolError> {
    let mut findings = Vec::new();
    let checked = run("e2fsck", |command| command.arg("-fn").arg(disk))?;
    if !checked.status.success() {
        findings.push(format!("e2fsck -fn finds:\n{}", words(&checked)));
    }
    let copy = folder.file("dump");
    fs::create_dir(&copy).map_err(ToolError::file("make", &copy))?;
    let request = format!("rdump {FOLDER} {}", copy.display());
    let dumped = run("debugfs", |command| {
        command.arg("-R").arg(&request).arg(disk)
    })?;
    if !dumped.status.success() {
        findings.push(format!("debugfs cannot read the disk:\n{}", words(&dumped)));
    }
    let list = folder.file("sums");
    let lines: String = kept
        .iter()
        .map(|(path, sum)| format!("{sum}  {}{path}\n", copy.display()))
        .collect();
    fs::write(&list, lines).map_err(ToolError::file("write", &list))?;
    if !kept.is_empty() {
        let compared = run("sha256sum", |command| {
            command.args(["--check", "--quiet"]).arg(&list)
        })?;
        if !compared.status.success() {
            findings.push(format!("files differ:\n{}", words(&compared)));
        }
    }
    Ok(findings)
}

fn run(
    program: &str,
    arguments: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Output, ToolError> {
    arguments(&mut Command::new(program))
        .env("PATH", search_path())
        .stdin(Stdio::null())
        .output()
        .map_err(build::start_error(program))
}

fn words(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}
