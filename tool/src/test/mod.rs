//! `./redleaf test`: host tests, then whole systems from a table.
//!
//! [`host`] runs cargo's tests, [`commands`] the table of command lines
//! (`tests/commands.toml`), [`dialogs`] that of interactive use
//! (`tests/dialogs.toml`), [`scenario`] that of systems (`tests/scenarios.toml`),
//! for which [`forge`] and [`tamper`] make images and archives that must be
//! refused, [`build_attacks`] that of changes that the build must refuse
//! (`tests/attacks/build.toml`), and [`campaigns`] short campaigns of faults.
//! Every failure is shown when it happens; the last line is
//! `N passed, N failed`.

mod build_attacks;
mod campaigns;
mod commands;
mod dialogs;
mod forge;
mod host;
mod scenario;
mod scratch;
mod tamper;

use std::fs;

use serde::Deserialize;

use crate::cli::TestOptions;
use crate::error::ToolError;
use crate::tree::Tree;

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

/// Keeps a failed test's log, and shows its end.
///
/// # Errors
/// [`ToolError::File`] if the log cannot be kept.
fn show_log(tree: &Tree, name: &str, log: &str) -> Result<(), ToolError> {
    let is_plain = |character: char| character.is_ascii_alphanumeric();
    let plain = name.replace(|character| !is_plain(character), "-");
    let path = tree
        .make_target("failed")?
        .join(plain)
        .with_extension("log");
    fs::write(&path, log).map_err(ToolError::file("write", &path))?;
    let lines: Vec<&str> = log.lines().collect();
    let end = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    eprintln!(
        "     ---- the last {} of {} lines of {}",
        end.len(),
        lines.len(),
        path.display()
    );
    for line in end {
        eprintln!("     {line}");
    }
    Ok(())
}

/// Says how a test went; counts one.
fn report(time_s: f64, name: &str, failures: &[String]) -> Counts {
    let verdict = if failures.is_empty() { "ok  " } else { "FAIL" };
    eprintln!("{verdict} {time_s:6.1} s  {name}");
    for failure in failures {
        eprintln!("     {failure}");
    }
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
    counts.add(build_attacks.run(tree, is_wanted)?);
    for scenario in &scenarios {
        for place in scenario.places() {
            if is_wanted(scenario.speed(), &scenario.name_at(place)) {
                counts.add(scenario.run(tree, place)?);
            }
        }
    }
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
