//! Attacks on the build: changes of the tree that the tool must refuse.
//!
//! The table is `tests/attacks/build.toml`; its head documents the fields. Each
//! attack is made on a copy of the tree ([`Scratch`]) that has a `target/` of its
//! own, so what attacks do not change is built once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use regex::Regex;
use serde::Deserialize;

use super::scratch::Scratch;
use super::{Counts, Speed, TestError, commands};
use crate::build::{cargo, start_error};
use crate::error::ToolError;
use crate::tree::{self, Tree};

/// The table, relative to the tree.
const TABLE: &str = "tests/attacks/build.toml";

/// Where files of attacks lie, relative to the tree.
const FILES: &str = "tests/attacks/build";

/// The system whose build is attacked, unless the row says otherwise.
const COMMAND: [&str; 3] = ["build", "--system", "hello"];

/// The table's top level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    attack: Vec<Attack>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    name: String,
    class: String,
    #[serde(default)]
    speed: Speed,
    /// Pattern of the one line that refuses it.
    refused: String,
    /// Arguments of `./redleaf`; what they do must fail.
    command: Option<Vec<String>>,
    /// Whether they go through the script, which may build the tool anew.
    #[serde(default)]
    script: bool,
    /// Whether `Cargo.lock` is left as it is, not brought up to date before.
    #[serde(default)]
    stale_lock: bool,
    /// Folder whose files are copied over the tree.
    files: Option<String>,
    /// Files and their whole text.
    #[serde(default)]
    write: BTreeMap<String, String>,
    /// Files and text at their end.
    #[serde(default)]
    append: BTreeMap<String, String>,
    /// Files, a text in each, and what takes its place.
    #[serde(default)]
    replace: BTreeMap<String, (String, String)>,
    /// Variables of its environment.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Symbolic links and where they lead.
    #[serde(default)]
    link: BTreeMap<String, String>,
    /// Whether the tree is built as it is before, and must be.
    #[serde(default)]
    built: bool,
    /// Files that are as old as can be once they are changed.
    #[serde(default)]
    old: Vec<String>,
}

/// All attacks and the copy they are made on.
pub struct BuildAttacks {
    attacks: Vec<Attack>,
    /// Made when the first attack begins.
    scratch: Option<Scratch>,
}

impl BuildAttacks {
    /// Reads the table.
    ///
    /// # Errors
    /// [`TestError::Table`] or [`ToolError::File`].
    pub fn read(tree: &Tree) -> Result<Self, ToolError> {
        let path = tree.path(TABLE);
        let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
        Ok(Self {
            attacks: parse(&text)?,
            scratch: None,
        })
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.attacks.iter().map(Attack::full_name)
    }

    /// Makes every attack that is wanted, and reports each.
    ///
    /// # Errors
    /// Any [`ToolError`] that keeps attacks from being made.
    pub fn run(
        &mut self,
        tree: &Tree,
        is_wanted: impl Fn(Speed, &str) -> bool,
    ) -> Result<Counts, ToolError> {
        let mut counts = Counts::default();
        for attack in &self.attacks {
            let name = attack.full_name();
            if !is_wanted(attack.speed, &name) {
                continue;
            }
            let begin = Instant::now();
            let scratch = match &mut self.scratch {
                Some(scratch) => scratch,
                none => none.insert(Scratch::open(tree)?),
            };
            let failures = attack.run(tree, scratch)?;
            let time = begin.elapsed().as_secs_f64();
            counts.add(super::report(time, &name, &failures));
        }
        Ok(counts)
    }
}

fn parse(text: &str) -> Result<Vec<Attack>, TestError> {
    let failed = |message: String| TestError::Table {
        file: TABLE,
        message,
    };
    let table: Table =
        toml::from_str(text).map_err(|error| failed(error.to_string().trim().to_owned()))?;
    for attack in &table.attack {
        Regex::new(&attack.refused).map_err(|error| failed(error.to_string()))?;
    }
    Ok(table.attack)
}

/// Runs the tool on the copy.
fn redleaf(
    scratch: &Scratch,
    script: bool,
    environment: &BTreeMap<String, String>,
    arguments: &[String],
) -> Result<Output, ToolError> {
    let environment = environment.iter();
    let environment = environment.map(|(name, value)| (name, scratch.fill(value)));
    let program = if script {
        scratch.root().join("redleaf")
    } else {
        tree::own_path().map_err(start_error("the tool"))?
    };
    Command::new(&program)
        .args(arguments)
        .current_dir(scratch.root())
        .env("REDLEAF_ROOT", scratch.root())
        .env("CARGO_TARGET_DIR", scratch.target())
        .envs(environment)
        .stdin(Stdio::null())
        .output()
        .map_err(start_error(&program.display().to_string()))
}

impl Attack {
    fn full_name(&self) -> String {
        format!("wall: build: {}: {}", self.class, self.name)
    }

    /// Makes it; what went wrong.
    fn run(&self, tree: &Tree, scratch: &mut Scratch) -> Result<Vec<String>, ToolError> {
        if self.built {
            let output = redleaf(
                scratch,
                false,
                &self.environment,
                &COMMAND.map(str::to_owned),
            )?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Ok(vec![format!("the tree itself is not built: {said}")]);
            }
        }
        let before = scratch.signed();
        let output = self.make(tree, scratch).and_then(|()| {
            let default = || COMMAND.map(str::to_owned).to_vec();
            let command = self.command.clone().unwrap_or_else(default);
            redleaf(scratch, self.script, &self.environment, &command)
        });
        let after = scratch.signed();
        let strays = scratch.restore()?;
        let output = output?;
        let mut failures = self.judge(&output);
        for stray in strays {
            failures.push(format!(
                "the build wrote {stray}: expected it to run nothing"
            ));
        }
        for (path, time) in &after {
            if before.get(path) != Some(time) {
                failures.push(format!("{} was signed", path.display()));
            }
        }
        Ok(failures)
    }

    /// Changes the copy.
    fn make(&self, tree: &Tree, scratch: &mut Scratch) -> Result<(), ToolError> {
        if let Some(folder) = &self.files {
            let folder = tree.path(FILES).join(folder);
            copy_over(scratch, &folder, Path::new(""))?;
        }
        for (path, text) in &self.write {
            let text = scratch.fill(text);
            scratch.write(path, text.as_bytes())?;
        }
        for (path, text) in &self.append {
            let text = scratch.read(path)? + &scratch.fill(text);
            scratch.write(path, text.as_bytes())?;
        }
        for (path, (old, new)) in &self.replace {
            let text = scratch.read(path)?;
            if !text.contains(old.as_str()) {
                let message = format!("{}: {path} does not contain {old:?}", self.name);
                let file = TABLE;
                return Err(TestError::Table { file, message }.into());
            }
            let text = text.replacen(old.as_str(), &scratch.fill(new), 1);
            scratch.write(path, text.as_bytes())?;
        }
        for (path, to) in &self.link {
            scratch.link(path, to)?;
        }
        if !self.stale_lock {
            update_lock(scratch)?;
        }
        self.old.iter().try_for_each(|path| scratch.set_back(path))
    }

    fn judge(&self, output: &Output) -> Vec<String> {
        let mut failures = Vec::new();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            failures.push("expected a failure, found exit status 0".to_owned());
        }
        let complaints: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("redleaf: ") && !commands::is_progress(line))
            .collect();
        match complaints[..] {
            [line] if commands::matches(&self.refused, line) => {}
            _ => failures.push(format!(
                "expected one line {:?}, found {complaints:?} in {said}",
                self.refused
            )),
        }
        failures
    }
}

/// Copies a folder's files to the same places of the copy.
fn copy_over(scratch: &mut Scratch, folder: &Path, inside: &Path) -> Result<(), ToolError> {
    let here = folder.join(inside);
    let failed = |error| ToolError::file("read", &here)(error);
    for entry in fs::read_dir(&here).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path: PathBuf = inside.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_over(scratch, folder, &path)?;
        } else {
            let text = fs::read(entry.path()).map_err(failed)?;
            scratch.write(&path.to_string_lossy(), &text)?;
        }
    }
    Ok(())
}

/// Brings `Cargo.lock` up to date, as an attacker would; a workspace that cargo
/// refuses needs none.
fn update_lock(scratch: &mut Scratch) -> Result<(), ToolError> {
    let before = scratch.read("Cargo.lock")?;
    Command::new(cargo())
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(scratch.root())
        .stdin(Stdio::null())
        .output()
        .map_err(start_error("cargo"))?;
    let after = scratch.read("Cargo.lock")?;
    if after != before {
        scratch.write("Cargo.lock", after.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn failures(status: i32, stderr: &str) -> usize {
        let row = "[[attack]]\nname = \"a\"\nclass = \"b\"\nrefused = \"refused: c\"\n";
        let attacks = parse(row).unwrap();
        let output = Output {
            status: ExitStatus::from_raw(status << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        attacks[0].judge(&output).len()
    }

    #[test]
    fn one_line_with_the_reason_and_a_failure_are_expected() {
        let line = "redleaf: building it\nnoise\nredleaf: refused: c\n";
        assert_eq!(failures(1, line), 0);
        assert_eq!(failures(0, line), 1);
        assert_eq!(failures(1, "refused: c\n"), 1);
        assert_eq!(failures(1, "redleaf: another reason\n"), 1);
        assert_eq!(failures(1, &format!("{line}redleaf: more\n")), 1);
    }
}
