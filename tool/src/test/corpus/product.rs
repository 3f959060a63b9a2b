//! The scripts of a corpus, run by RedLeaf's shell in one boot.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Outcome;
use super::snippets::Snippet;
use crate::build;
use crate::cli::{Machine, RunOptions, Setup};
use crate::disk;
use crate::error::ToolError;
use crate::run::session::{self, Capture, Ending, Proof, Streams};
use crate::run::{self, RunFolder};
use crate::tree::Tree;

/// The package under tests that runs them (tests/corpus).
const RUNNER: &str = "corpus";

/// Where it finds them.
const FOLDER: &str = "/corpus";

/// Seconds for all of them.
const LIMIT_S: u64 = 300;

/// Runs all of them; the log, if they did not come to their end.
///
/// # Errors
/// [`ToolError`] when they cannot be run at all.
pub fn run(tree: &Tree, snippets: &[Snippet]) -> Result<Result<Vec<Outcome>, String>, ToolError> {
    let folder = RunFolder::make(tree)?;
    let setup = Setup {
        machine: Machine::Hosted,
        ..Setup::default()
    };
    let built = build::build_with(tree, &setup.system, setup.machine, &[RUNNER.to_owned()])?;
    let options = RunOptions {
        setup,
        disk: None,
        disk_size: 256 << 20,
        exec: Some(format!("{RUNNER} {FOLDER} {}", snippets.len())),
        timeout: Some(LIMIT_S),
        gdb: false,
    };
    let mut images = built;
    let runner = images.images.remove(RUNNER);
    let runner = runner.expect("the build has made what it was asked for");
    let boot = run::prepare(tree, &options, &images, &folder)?;
    fill(&folder, &boot.disk, &runner, snippets)?;
    let log = Capture::default();
    let streams = Streams {
        console: Box::new(log.clone()),
        log: Box::new(log.clone()),
        is_interactive: false,
        proof: Proof::default(),
    };
    let limit = Some(Duration::from_secs(LIMIT_S));
    let ending = session::watch(boot.command(), streams, limit)?;
    if ending != Ending::Status(0) {
        return Ok(Err(String::from_utf8_lossy(&log.take()).into_owned()));
    }
    let place = folder.file("results");
    fs::create_dir(&place).map_err(ToolError::file("make", &place))?;
    let command = format!("rdump {FOLDER}/out \"{}\"", place.display());
    debugfs(&["-R", &command], &boot.disk)?;
    let results = place.join("out");
    (0..snippets.len())
        .map(|number| read_outcome(&results, number))
        .collect::<Result<_, _>>()
        .map(Ok)
}

/// Puts the runner and the scripts onto the disk.
fn fill(
    folder: &RunFolder,
    disk: &Path,
    runner: &Path,
    snippets: &[Snippet],
) -> Result<(), ToolError> {
    let scripts = folder.file("scripts");
    fs::create_dir(&scripts).map_err(ToolError::file("make", &scripts))?;
    let mut commands = format!(
        "write \"{}\" /bin/{RUNNER}\nsif /bin/{RUNNER} mode 0100755\n\
         mkdir {FOLDER}\nmkdir {FOLDER}/in\n",
        runner.display()
    );
    for (number, snippet) in snippets.iter().enumerate() {
        let path = scripts.join(number.to_string());
        fs::write(&path, &snippet.text).map_err(ToolError::file("write", &path))?;
        commands += &format!("write \"{}\" {FOLDER}/in/{number}\n", path.display());
    }
    let list = folder.file("commands");
    fs::write(&list, commands).map_err(ToolError::file("write", &list))?;
    debugfs(&["-w", "-f", &list.display().to_string()], disk)
}

fn debugfs(arguments: &[&str], disk: &Path) -> Result<(), ToolError> {
    let output = Command::new("debugfs")
        .args(arguments)
        .arg(disk)
        .env("PATH", disk::search_path())
        .stdin(Stdio::null())
        .output()
        .map_err(build::start_error("debugfs"))?;
    // It says what went wrong, but not by its status; what is missing is missed later.
    drop(output);
    Ok(())
}

fn read_outcome(results: &Path, number: usize) -> Result<Outcome, ToolError> {
    let read = |end: &str| {
        let path = results.join(format!("{number}.{end}"));
        fs::read(&path).map_err(ToolError::file("read", &path))
    };
    Ok(Outcome {
        stdout: read("out")?,
        has_complained: !read("err")?.is_empty(),
        status: String::from_utf8_lossy(&read("status")?).into_owned(),
    })
}
