//! `./redleaf test`: host tests, then whole systems from a table.
//!
//! [`host`] runs cargo's tests, [`commands`] the table of command lines
//! (`tests/commands.toml`), [`dialogs`] that of interactive use
//! (`tests/dialogs.toml`), [`scenario`] that of systems (`tests/scenarios.toml`),
//! for which [`forge`] and [`tamper`] make images and archives that must be
//! refused, [`build_attacks`] that of changes that the build must refuse
//! (`tests/attacks/build.toml`), [`code_attacks`] that of what is not
//! signed (`tests/attacks/code.toml`), [`corpus`] scripts that the host's shell runs,
//! too, and [`campaigns`] short campaigns of faults.
//! Systems run side by side ([`jobs`]). Every failure is shown when it happens;
//! the last line is `N passed, N failed`.

mod build_attacks;
mod campaigns;
mod code_attacks;
mod commands;
mod corpus;
mod dialogs;
mod forge;
mod host;
mod jobs;
mod scenario;
mod scratch;
mod tamper;

use std::fs;

use serde::Deserialize;

use crate::cli::TestOptions;
use crate::error::ToolError;
use crate::tree::Tree;

/// Names of all tests that attack the wall.
///
/// # Errors
/// Any [`ToolError`] of reading the tables.
pub fn attack_names(tree: &Tree) -> Result<Vec<String>, ToolError> {
    let scenarios = scenario::read(tree)?;
    let mut names: Vec<String> = scenarios.iter().map(|one| one.name().to_owned()).collect();
    names.extend(build_attacks::BuildAttacks::read(tree)?.names());
    names.extend(code_attacks::names(tree)?);
    Ok(names)
}

/// Why tests could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The table cannot be understood.
    #[error("{file}: {message}")]
    Table {
        /// The table.
        file: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// How long a test takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speed {
    /// Seconds.
    #[default]
    Quick,
    /// A minute or two.
    Slow,
    /// Many minutes.
    Long,
}

impl Speed {
    /// The slowest that the options ask for.
    const fn slowest_of(options: &TestOptions) -> Self {
        match (options.quick, options.long) {
            (true, _) => Self::Quick,
            (false, true) => Self::Long,
            (false, false) => Self::Slow,
        }
    }
}

/// Lines of a failed test's log that are shown.
const SHOWN_LINES: usize = 60;

/// Keeps a failed test's log; what is shown of it.
///
/// # Errors
/// [`ToolError::File`] if the log cannot be kept.
fn keep_log(tree: &Tree, name: &str, log: &str) -> Result<String, ToolError> {
    let is_plain = |character: char| character.is_ascii_alphanumeric();
    let plain = name.replace(|character| !is_plain(character), "-");
    let path = tree
        .make_target("failed")?
        .join(plain)
        .with_extension("log");
    fs::write(&path, log).map_err(ToolError::file("write", &path))?;
    let lines: Vec<&str> = log.lines().collect();
    let end = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    let head = format!(
        "---- the last {} of {} lines of {}",
        end.len(),
        lines.len(),
        path.display()
    );
    Ok(indented(
        std::iter::once(head.as_str()).chain(end.iter().copied()),
    ))
}

/// Lines below a verdict.
fn indented<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| format!("     {line}\n")).collect()
}

/// Says how a test went; counts one.
fn report(time_s: f64, name: &str, failures: &[String]) -> Counts {
    say(time_s, name, failures, "")
}

/// Says how a test went, with the end of its log if it failed; counts one.
///
/// # Errors
/// [`ToolError::File`] if the log cannot be kept.
fn report_with_log(
    tree: &Tree,
    time_s: f64,
    name: &str,
    failures: &[String],
    log: &str,
) -> Result<Counts, ToolError> {
    let shown = match failures {
        [] => String::new(),
        _ => keep_log(tree, name, log)?,
    };
    Ok(say(time_s, name, failures, &shown))
}

/// Says all of a test at once: others run beside it.
fn say(time_s: f64, name: &str, failures: &[String], log: &str) -> Counts {
    let verdict = if failures.is_empty() { "ok  " } else { "FAIL" };
    let failed = indented(failures.iter().map(String::as_str));
    eprint!("{verdict} {time_s:6.1} s  {name}\n{failed}{log}");
    Counts {
        passed: failures.is_empty().into(),
        failed: (!failures.is_empty()).into(),
    }
}

/// Carries out `./redleaf test`.
///
/// # Errors
/// Any [`ToolError`] that keeps tests from running; failed tests are counted.
pub fn command(tree: &Tree, options: &TestOptions) -> Result<u8, ToolError> {
    let scenarios = scenario::read(tree)?;
    let commands = commands::read(tree)?;
    let dialogs = dialogs::read(tree)?;
    let mut build_attacks = build_attacks::BuildAttacks::read(tree)?;
    let mut counts = Counts::default();
    if !options.no_host {
        counts.add(host::run(tree, options)?);
    }
    let most = Speed::slowest_of(options);
    let is_wanted = |speed: Speed, name: &str| {
        let filter = options.filter.as_deref().unwrap_or_default();
        speed <= most && name.contains(filter)
    };
    for case in &commands {
        if is_wanted(case.speed(), &case.full_name()) {
            counts.add(case.run(tree)?);
        }
    }
    for dialog in &dialogs {
        if is_wanted(dialog.speed(), &dialog.full_name()) {
            counts.add(dialog.run(tree)?);
        }
    }
    for corpus in &corpus::CORPORA {
        if is_wanted(corpus.speed(), &corpus.full_name()) {
            counts.add(corpus.run(tree)?);
        }
    }
    counts.add(build_attacks.run(tree, is_wanted)?);
    counts.add(code_attacks::run(tree, is_wanted)?);
    let systems = scenarios.iter().flat_map(|scenario| {
        let places = scenario.places().into_iter();
        places.map(move |place| (scenario, place))
    });
    let systems: Vec<_> = systems
        .filter(|(scenario, place)| is_wanted(scenario.speed(), &scenario.name_at(*place)))
        .collect();
    let number = options.jobs.map_or_else(jobs::default_number, usize::from);
    counts.add(jobs::run(&systems, number, |(scenario, place)| {
        scenario.run(tree, *place)
    })?);
    for campaign in &campaigns::CAMPAIGNS {
        if is_wanted(campaign.speed(), &campaign.full_name()) {
            counts.add(campaign.run(tree)?);
        }
    }
    if counts == Counts::default() {
        let filter = options.filter.as_deref().unwrap_or_default();
        eprintln!("redleaf: no test has {filter:?} in its name");
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    Ok(u8::from(counts.failed > 0 || counts == Counts::default()))
}
