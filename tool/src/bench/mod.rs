//! `./redleaf bench`: what calls, domains, disks and a boot cost.
//!
//! A benchmark is a system of its own, `systems/bench-NAME.toml`: a domain in
//! it measures, writes its rows to the log ([`rows`]) and powers off. The tool
//! measures a boot from outside ([`boot`]), and beside the `hosted` machine
//! what Linux takes for comparable things ([`peers`]).
//!
//! On the `pc` machine without virtualisation a second is QEMU's affair, so
//! costs are guest instructions there: QEMU counts them exactly (`-icount
//! shift=0,sleep=off`), and the guest reads the count as its cycle counter.

mod boot;
mod peers;
mod rows;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::build;
use crate::cli::{BenchName, BenchOptions, Machine, RunOptions};
use crate::error::ToolError;
use crate::progress::Step;
use crate::run::machine::{Boot, accelerator};
use crate::run::session::{self, Capture, Ending, Streams};
use crate::run::{self, RunFolder};
use crate::tree::Tree;

use rows::{Report, Row};

/// Row that says how fast the cycle counter of a machine counts.
const COUNTER: &str = "cycle counter";

/// Longest time one run of a benchmark's system may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs of a benchmark that measures time. A processor whose other hyperthread
/// is busy is slower for longer than any one run lasts.
const RUNS: usize = 5;

/// Bytes of the disk that is measured, and of QEMU's disk without a medium.
const DISK_BYTES: u64 = 1 << 30;

/// Memory of a measured machine.
const MEMORY_BYTES: u64 = 512 << 20;

/// QEMU's options for counting instructions.
const COUNT_INSTRUCTIONS: [&str; 2] = ["-icount", "shift=0,sleep=off"];

/// QEMU's option for a line on standard error, which is the log, at each
/// doorbell write of an NVMe controller.
const COUNT_DOORBELLS: [&str; 2] = ["-trace", "pci_nvme_mmio_doorbell_*"];

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system did not power off properly.
    #[error("benchmark {name} on {machine} failed ({ending:?}); the end of its log:\n{log}")]
    Failed {
        /// The benchmark.
        name: &'static str,
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
        name: &'static str,
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
    /// A measurement on the host is impossible.
    #[error("cannot measure {what} on the host: {source}")]
    Peer {
        /// What was to be measured.
        what: &'static str,
        /// Why not.
        source: io::Error,
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
        None => vec![Machine::Hosted, Machine::Pc],
    };
    let mut reports = Vec::new();
    for name in names {
        for &machine in &machines {
            let report = measure(tree, name, machine)?;
            print!("{}", report.table());
            reports.push(report);
        }
    }
    if let Some(path) = &options.json {
        let text = rows::json(&reports);
        fs::write(path, text).map_err(ToolError::file("write", path))?;
    }
    Ok(0)
}

/// One benchmark on one machine.
fn measure(tree: &Tree, name: BenchName, machine: Machine) -> Result<Report, ToolError> {
    let rows = match name {
        BenchName::Boot => boot::measure(tree, machine)?,
        BenchName::Nvme if machine == Machine::Pc => {
            let mut rows = run_system(tree, name, machine, Counting::No)?;
            // The clock of this run is real; its cycle counter means little.
            rows.retain(|row| row.unit != "cycles");
            let counted = run_system(tree, name, machine, Counting::Instructions)?;
            let is_counted = |unit: &str| matches!(unit, "instructions" | "per_request");
            rows.extend(counted.into_iter().filter(|row| is_counted(&row.unit)));
            rows
        }
        BenchName::Nvme => run_system(tree, name, machine, Counting::No)?,
        BenchName::Crossing | BenchName::Domain => {
            let counting = match machine {
                Machine::Pc if accelerator() != "kvm" => Counting::Instructions,
                _ => Counting::No,
            };
            let mut rows = run_system(tree, name, machine, counting)?;
            let counter = rows.iter().position(|row| row.name == COUNTER);
            let rate = counter.map(|counter| rows.remove(counter).median);
            if machine == Machine::Hosted {
                let step = Step::start("measuring the host's own calls and processes");
                rows.extend(peers::measure(name, rate)?);
                drop(step);
            }
            rows
        }
    };
    Ok(Report::new(name.name(), machine.name(), rows))
}

/// What the guest's cycle counter counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counting {
    /// What the processor or QEMU makes of it.
    No,
    /// Guest instructions.
    Instructions,
}

/// Builds and runs the system of a benchmark; the rows it wrote. Where time is
/// measured it runs several times, and the least disturbed run counts.
fn run_system(
    tree: &Tree,
    name: BenchName,
    machine: Machine,
    counting: Counting,
) -> Result<Vec<Row>, ToolError> {
    let system = format!("bench-{}", name.name());
    let folder = RunFolder::make(tree)?;
    let disk = disk(machine, &folder)?;
    let boot = prepare(tree, &system, machine, disk, &folder)?;
    if counting == Counting::Instructions {
        let step = Step::start(&format!("counting instructions of {system}"));
        let mut command = boot.command();
        command.args(COUNT_INSTRUCTIONS).args(COUNT_DOORBELLS);
        let mut rows = run_once(command, name, machine)?;
        drop(step);
        rows.iter_mut().for_each(Row::count_instructions);
        return Ok(rows);
    }
    let step = Step::start(&format!("running {system} on {}", machine.name()));
    let mut best = run_once(boot.command(), name, machine)?;
    for run in 1..RUNS {
        step.detail(&format!("run {} of {RUNS}", run + 1));
        let rows = run_once(boot.command(), name, machine)?;
        if rows::total_time(&rows) < rows::total_time(&best) {
            best = rows;
        }
    }
    Ok(best)
}

/// Runs a machine to its end; the rows it wrote.
fn run_once(command: Command, name: BenchName, machine: Machine) -> Result<Vec<Row>, ToolError> {
    let log = run_command(command, name.name(), machine)?;
    let rows = Row::find(&log).map_err(|line| BenchError::BadRow {
        name: name.name(),
        machine: machine.name(),
        line: line.to_owned(),
    })?;
    Ok(rows)
}

/// Builds a system; the machine that boots it.
fn prepare(
    tree: &Tree,
    system: &str,
    machine: Machine,
    disk: Option<PathBuf>,
    folder: &RunFolder,
) -> Result<Boot, ToolError> {
    let options = RunOptions {
        system: system.to_owned(),
        machine,
        cpus: 1,
        memory: MEMORY_BYTES,
        disk,
        disk_size: 256 << 20,
        exec: None,
        timeout: None,
        gdb: false,
    };
    let built = build::build(tree, system, machine)?;
    run::prepare(tree, &options, &built, folder)
}

/// The disk to measure: one without a medium in QEMU, a fresh file in a process.
fn disk(machine: Machine, folder: &RunFolder) -> Result<Option<PathBuf>, ToolError> {
    if machine == Machine::Pc {
        // QEMU's null device has 1 GiB by default, as the file below.
        return Ok(Some(PathBuf::from("null-co://")));
    }
    let path = folder.file("disk.raw");
    File::create(&path)
        .and_then(|file| file.set_len(DISK_BYTES))
        .map_err(ToolError::file("make", &path))?;
    Ok(Some(path))
}

/// Runs a machine to its end; its log.
fn run_command(
    command: Command,
    name: &'static str,
    machine: Machine,
) -> Result<String, ToolError> {
    let log = Capture::default();
    let streams = Streams {
        console: Box::new(io::sink()),
        log: Box::new(log.clone()),
        is_interactive: false,
    };
    let ending = session::watch(command, streams, Some(LIMIT))?;
    let log = String::from_utf8_lossy(&log.take()).into_owned();
    if ending == Ending::Status(0) {
        return Ok(log);
    }
    let machine = machine.name();
    let log = last_lines(&log);
    Err(BenchError::Failed {
        name,
        machine,
        ending,
        log,
    }
    .into())
}

/// The end of a log, for a message.
fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let first = lines.len().saturating_sub(12);
    lines[first..].join("\n")
}

/// Whether a file exists that the measurement of a peer needs.
fn exists(path: &str) -> bool {
    Path::new(path).exists()
}
