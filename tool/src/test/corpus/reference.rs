//! The scripts of a corpus, run by the host's dash.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::Outcome;
use super::snippets::Snippet;
use crate::build::start_error;
use crate::error::ToolError;
use crate::tree::Tree;

/// The shell whose answers count.
const SHELL: &str = "dash";

/// Where the host's programs are looked for.
const HOST_PATH: [&str; 2] = ["/usr/bin", "/bin"];

/// Programs of RedLeaf that no script may start on the host.
const NEVER: [&str; 1] = ["halt"];

/// Seconds a script may take.
const LIMIT_S: &str = "10";

/// Status of `timeout` when it had to end a program.
const TIMED_OUT: i32 = 124;

/// Runs all of them.
///
/// # Errors
/// [`ToolError`] when they cannot be run at all.
pub fn run(tree: &Tree, snippets: &[Snippet]) -> Result<Vec<Outcome>, ToolError> {
    let folder =
        tempfile::tempdir().map_err(ToolError::file("make a folder in", &std::env::temp_dir()))?;
    let programs = link_programs(tree, folder.path())?;
    let numbered = snippets.iter().enumerate();
    numbered
        .map(|(number, snippet)| run_one(folder.path(), &programs, number, snippet))
        .collect()
}

/// A folder with those programs that RedLeaf has, too, so that no script uses others.
fn link_programs(tree: &Tree, folder: &Path) -> Result<PathBuf, ToolError> {
    let links = folder.join("programs");
    fs::create_dir(&links).map_err(ToolError::file("make", &links))?;
    let sources = tree.path("programs/src/bin");
    let entries = fs::read_dir(&sources).map_err(ToolError::file("read", &sources))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let called = if name == "sh" { SHELL } else { &*name };
        let found = HOST_PATH.map(|directory| Path::new(directory).join(called));
        let found = found.iter().find(|path| path.is_file());
        if let Some(found) = found.filter(|_| !NEVER.contains(&&*name)) {
            let link = links.join(&*name);
            symlink(found, &link).map_err(ToolError::file("make", &link))?;
        }
    }
    Ok(links)
}

fn run_one(
    folder: &Path,
    programs: &Path,
    number: usize,
    snippet: &Snippet,
) -> Result<Outcome, ToolError> {
    let script = folder.join(number.to_string());
    fs::write(&script, &snippet.text).map_err(ToolError::file("write", &script))?;
    let place = folder.join(format!("place{number}"));
    fs::create_dir(&place).map_err(ToolError::file("make", &place))?;
    let output = Command::new("/usr/bin/timeout")
        .args(["-k", "1", LIMIT_S])
        .arg(programs.join("sh"))
        .arg(format!("../{number}"))
        .current_dir(&place)
        .env_clear()
        .env("PATH", programs)
        .env("HOME", "/")
        .stdin(Stdio::null())
        .output()
        .map_err(start_error(SHELL))?;
    Ok(Outcome {
        stdout: output.stdout,
        has_complained: !output.stderr.is_empty(),
        status: status_text(output.status),
    })
}

fn status_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(TIMED_OUT), _) => "did not end".to_owned(),
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) => (128 + signal).to_string(),
        (None, None) => "unknown".to_owned(),
    }
}
