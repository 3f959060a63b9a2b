//! `./redleaf bench`: what calls, domains, disks and a boot cost.
//!
//! A benchmark is a system of its own, `systems/bench-NAME.toml`: a domain in
//! it measures, writes its rows to the log ([`rows`]) and powers off
//! ([`system`]). The tool measures a boot from outside ([`boot`]) and sizes
//! from files ([`size`]). Beside ours stand Linux's figures: natively for what
//! the `hosted` machine does ([`peers`]), as a guest of the same QEMU for the
//! drive ([`linux`]), and what others have published ([`published`]).
//! [`results`] writes it all down.
//!
//! On the `pc` machine without virtualisation a second is QEMU's affair, so
//! costs are guest instructions there: QEMU counts them exactly (`-icount
//! shift=0,sleep=off`), and the guest reads the count as its cycle counter.

mod boot;
mod drive;
mod initramfs;
mod lines;
mod linux;
mod peers;
pub mod plot;
mod published;
mod recovery;
mod results;
mod rows;
mod size;
mod system;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;

use crate::cli::{BenchName, BenchOptions, Machine};
use crate::error::ToolError;
use crate::progress::Step;
use crate::run::machine::accelerator;
use crate::run::session::Ending;
use crate::tree::Tree;

use rows::{Report, Row};
use system::{LIMIT, System, prepare};

/// Row that says how fast the cycle counter of a machine counts.
const COUNTER: &str = "cycle counter";

/// Most processors of a machine.
const MAX_CPUS: u32 = 64;

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system did not power off properly.
    #[error("benchmark {name} on {machine} failed ({ending:?}); the end of its log:\n{log}")]
    Failed {
        /// The benchmark.
        name: String,
        /// The machine.
        machine: &'static str,
        /// How it ended.
        ending: Ending,
        /// Last lines of the log.
        log: String,
    },
    /// A row cannot be read.
    #[error("benchmark {name} on {machine} wrote a row that cannot be read: {line}")]
    BadRow {
        /// The benchmark.
        name: String,
        /// The machine.
        machine: &'static str,
        /// The line.
        line: String,
    },
    /// The system never showed its prompt.
    #[error("no prompt within {} s on {machine}; the end of the log:\n{log}", LIMIT.as_secs())]
    NoPrompt {
        /// The machine.
        machine: &'static str,
        /// Last lines of the log.
        log: String,
    },
    /// `--iommu` with something else.
    #[error("--iommu is for `bench nvme` on the machine pc")]
    NoIommu,
    /// A measurement on the host is impossible.
    #[error("cannot measure {what} on the host: {source}")]
    Peer {
        /// What was to be measured.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A kernel is no ELF file.
    #[error("{} is no 64-bit ELF file", .0.display())]
    NotElf(PathBuf),
    /// A plot cannot be drawn.
    #[error("cannot draw {}: {message}", path.display())]
    Plot {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
}

/// Carries out `./redleaf bench`.
///
/// # Errors
/// Any [`ToolError`] of builds and runs, and [`BenchError`].
pub fn command(tree: &Tree, options: &BenchOptions) -> Result<u8, ToolError> {
    let names = match options.name {
        Some(name) => vec![name],
        None => BenchName::ALL.to_vec(),
    };
    let machines = match options.machine {
        Some(machine) => vec![machine],
        None if options.iommu => vec![Machine::Pc],
        None => vec![Machine::Hosted, Machine::Pc],
    };
    if options.iommu && (options.name, &*machines) != (Some(BenchName::Nvme), &[Machine::Pc]) {
        return Err(BenchError::NoIommu.into());
    }
    if let Some(path) = &options.json {
        // Now rather than after a quarter of an hour of measuring.
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.map_err(ToolError::file("write", path))?;
    }
    let mut reports = Vec::new();
    for name in names {
        for &machine in &machines {
            let report = if options.iommu {
                Report::new("nvme --iommu", machine.name(), drive::guarded(tree)?)
            } else {
                measure(tree, name, machine, options.cpus)?
            };
            println!("{}", report.table());
            reports.push(report);
        }
    }
    if options.name.is_none() {
        let folder = results::write(tree, &reports)?;
        eprintln!("redleaf: results are in {}", folder.display());
    }
    if let Some(path) = &options.json {
        let text = rows::json(&reports);
        fs::write(path, text).map_err(ToolError::file("write", path))?;
    }
    Ok(0)
}

/// One benchmark on one machine.
fn measure(
    tree: &Tree,
    name: BenchName,
    machine: Machine,
    cpus: Option<u32>,
) -> Result<Report, ToolError> {
    let rows = match name {
        BenchName::Crossing | BenchName::Domain | BenchName::Hash => {
            costs(&System::build(tree, name.name(), machine)?, name, machine)?
        }
        BenchName::Scaling => scaling(tree, machine, cpus)?,
        BenchName::Nvme => drive::measure(tree, machine)?,
        BenchName::Recovery => recovery::measure(tree, machine)?,
        BenchName::Boot => boot::measure(tree, machine)?,
        BenchName::Size => size::measure(tree, machine)?,
    };
    Ok(Report::new(name.name(), machine.name(), rows))
}

/// A benchmark of costs: cycles natively, instructions under emulation.
fn costs(system: &System, name: BenchName, machine: Machine) -> Result<Vec<Row>, ToolError> {
    let mut rows = if machine == Machine::Pc && accelerator() != "kvm" {
        system.count()?
    } else {
        system.run()?
    };
    let counter = rows.iter().position(|row| row.name == COUNTER);
    let rate = counter.map(|counter| rows.remove(counter).median);
    if machine == Machine::Hosted {
        let step = Step::start("measuring the host's own calls, processes and tables");
        rows.extend(peers::measure(name, rate)?);
        drop(step);
    }
    Ok(rows)
}

/// What one processor does and what several do together: 1, 2, 4, … and all.
fn scaling(tree: &Tree, machine: Machine, most: Option<u32>) -> Result<Vec<Row>, ToolError> {
    let of_host = || {
        let count = thread::available_parallelism().map_or(1, usize::from);
        u32::try_from(count).unwrap_or(MAX_CPUS).min(MAX_CPUS)
    };
    let most = most.unwrap_or_else(of_host);
    let powers = (0..u32::BITS - 1).map(|bit| 1 << bit);
    let mut counts: Vec<u32> = powers.take_while(|count| *count < most).collect();
    counts.push(most);
    let mut rows = Vec::new();
    for cpus in counts {
        rows.extend(System::with_cpus(tree, "scaling", machine, cpus)?.run()?);
    }
    // One kind of work after the other.
    rows.sort_by(|a, b| what(a).cmp(what(b)));
    Ok(rows)
}

/// The work of a row of `scaling`.
fn what(row: &Row) -> &str {
    row.name.split(',').next().unwrap_or_default()
}
