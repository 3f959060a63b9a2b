//! `./redleaf campaign`: faults on purpose, while a workload checks itself.
//!
//! The program `campaign` of the system injects and reports, a line per fault
//! ([`watch`] reads them as they come). Afterwards the disk is looked at from
//! outside ([`disk`]), everything is counted ([`rows`]), written down
//! ([`report`]) and judged ([`verdict`]).

mod disk;
mod report;
mod rows;
mod targets;
mod verdict;
mod watch;

use std::fs;

use crate::build;
use crate::cli::{CampaignOptions, Machine, RunOptions};
use crate::error::ToolError;
use crate::run::session::Ending;
use crate::run::{self, RunFolder};
use crate::system::Source;
use crate::tree::Tree;

use report::Report;
pub use targets::Targets;

/// Bytes of the disk; the workload needs a tenth.
const DISK_BYTES: u64 = 256 << 20;

/// Why a campaign cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// It names a domain that the system does not have.
    #[error("system {system} has no domain {name} on {machine}; it has: {known}")]
    UnknownTarget {
        /// The system.
        system: String,
        /// The machine.
        machine: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The system has no shell that could run the workload.
    #[error("system {0} has no domain rv6, which the workload needs")]
    Shellless(String),
    /// The targets cannot fail as wished.
    #[error("none of the targets can fail that way: {0}")]
    Impossible(String),
}

/// Carries out `./redleaf campaign`: 0 when everything held, else 1.
///
/// # Errors
/// Any [`ToolError`] of builds and runs, and [`CampaignError`].
pub fn command(tree: &Tree, options: &CampaignOptions) -> Result<u8, ToolError> {
    options.setup.check()?;
    let targets = Targets::choose(tree, options)?;
    for path in options.json.iter().chain(&options.svg) {
        // Now rather than after an hour of injecting.
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.map_err(ToolError::file("write", path))?;
    }
    let report = carry_out(tree, options, &targets)?;
    println!("{}", report.table());
    if let Some(path) = &options.json {
        fs::write(path, report.json()).map_err(ToolError::file("write", path))?;
    }
    if let Some(path) = &options.svg {
        report.plot(path)?;
    }
    Ok(u8::from(!report.verdict.failures.is_empty()))
}

/// Runs a campaign to its end.
///
/// # Errors
/// Any [`ToolError`] of builds and runs.
pub fn carry_out(
    tree: &Tree,
    options: &CampaignOptions,
    targets: &Targets,
) -> Result<Report, ToolError> {
    let built = build::build(tree, &options.setup.system, options.setup.machine)?;
    let folder = RunFolder::make(tree)?;
    let mut boot = run::prepare(tree, &run_options(options, targets), &built, &folder)?;
    boot.mark = Some(run::machine::new_mark()?);
    let seen = watch::watch(&boot, options.faults)?;
    if seen.ending != Ending::Status(0) {
        keep_log(tree, &seen.log)?;
    }
    let findings = disk::check(&boot.disk, &seen.kept, &folder)?;
    Ok(Report::new(options, targets, seen, findings))
}

/// Keeps the log of a system that came to a bad end.
fn keep_log(tree: &Tree, log: &str) -> Result<(), ToolError> {
    let path = tree.make_target("campaign")?.join("log");
    std::fs::write(&path, log).map_err(ToolError::file("write", &path))?;
    eprintln!("redleaf: its log is in {}", path.display());
    Ok(())
}

fn run_options(options: &CampaignOptions, targets: &Targets) -> RunOptions {
    RunOptions {
        setup: options.setup.clone(),
        disk: None,
        disk_size: DISK_BYTES,
        exec: Some(targets.command(options)),
        timeout: None,
        gdb: false,
    }
}

/// Names of the domains of a system on a machine.
fn known(source: &Source, machine: Machine) -> Vec<String> {
    targets::all(source, machine)
        .into_iter()
        .map(|target| target.name)
        .collect()
}
