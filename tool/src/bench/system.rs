//! Runs a benchmark's system and collects the rows it writes to its log.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::BenchError;
use super::rows::{self, Row};
use crate::build;
use crate::cli::{Machine, RunOptions, Setup};
use crate::error::ToolError;
use crate::progress::Step;
use crate::run::machine::Boot;
use crate::run::session::{self, Capture, Ending, Streams};
use crate::run::{self, RunFolder};
use crate::tree::Tree;

/// Longest time one run of a benchmark's system may take.
pub const LIMIT: Duration = Duration::from_secs(180);

/// Runs of a benchmark that measures time. A processor whose other hyperthread
/// is busy is slower for longer than any one run lasts.
pub const RUNS: usize = 5;

/// Bytes of the disk that is measured, and of QEMU's disk without a medium.
const DISK_BYTES: u64 = 1 << 30;

/// Memory of a measured machine.
const MEMORY_BYTES: u64 = 512 << 20;

/// QEMU's options for counting instructions.
const COUNT_INSTRUCTIONS: [&str; 2] = ["-icount", "shift=0,sleep=off"];

/// QEMU's option for a line on standard error, which is the log, at each
/// doorbell write of an NVMe controller.
const COUNT_DOORBELLS: [&str; 2] = ["-trace", "pci_nvme_mmio_doorbell_*"];

/// A system that measures, ready to be run as often as needed.
pub struct System {
    name: String,
    machine: Machine,
    boot: Boot,
    _folder: RunFolder,
}

impl System {
    /// Builds `systems/bench-NAME.toml` for a machine with one processor and
    /// the disk that is measured.
    pub fn build(tree: &Tree, name: &str, machine: Machine) -> Result<Self, ToolError> {
        Self::with_cpus(tree, name, machine, 1)
    }

    /// As [`System::build`] for a pc, which has an IOMMU.
    pub fn behind_iommu(tree: &Tree, name: &str) -> Result<Self, ToolError> {
        let setup = |setup: &mut Setup| setup.iommu = true;
        Self::with_setup(tree, name, Machine::Pc, setup)
    }

    /// As [`System::build`], with `cpus` processors, whose number the system
    /// finds where others find the commands for their shell.
    pub fn with_cpus(
        tree: &Tree,
        name: &str,
        machine: Machine,
        cpus: u32,
    ) -> Result<Self, ToolError> {
        Self::with_setup(tree, name, machine, |setup| setup.cpus = cpus)
    }

    fn with_setup(
        tree: &Tree,
        name: &str,
        machine: Machine,
        change: impl FnOnce(&mut Setup),
    ) -> Result<Self, ToolError> {
        let folder = RunFolder::make(tree)?;
        let system = format!("bench-{name}");
        let mut options = RunOptions {
            disk: Some(measured_disk(machine, &folder)?),
            ..options(&system, machine)
        };
        change(&mut options.setup);
        options.exec = Some(options.setup.cpus.to_string());
        let built = build::build(tree, &system, machine)?;
        Ok(Self {
            name: name.to_owned(),
            machine,
            boot: run::prepare(tree, &options, &built, &folder)?,
            _folder: folder,
        })
    }

    /// The rows of the least disturbed of several runs.
    pub fn run(&self) -> Result<Vec<Row>, ToolError> {
        let step = Step::start(&format!("running {} on {}", self.name, self.machine.name()));
        let mut best = self.run_once()?;
        for run in 1..RUNS {
            step.detail(&format!("run {} of {RUNS}", run + 1));
            let rows = self.run_once()?;
            if rows::total_time(&rows) < rows::total_time(&best) {
                best = rows;
            }
        }
        Ok(best)
    }

    /// The log of one run.
    pub fn log(&self) -> Result<String, ToolError> {
        let step = Step::start(&format!("running {} on {}", self.name, self.machine.name()));
        let log = self.log_of(self.boot.command());
        drop(step);
        log
    }

    /// The rows of one run.
    pub fn run_once(&self) -> Result<Vec<Row>, ToolError> {
        self.rows_of(self.boot.command())
    }

    /// The rows of a run in which QEMU counts guest instructions, and doorbell
    /// writes of NVMe controllers: cycles and nanoseconds are instructions.
    pub fn count(&self) -> Result<Vec<Row>, ToolError> {
        let step = Step::start(&format!("counting instructions of {}", self.name));
        let mut command = self.boot.command();
        command.args(COUNT_INSTRUCTIONS).args(COUNT_DOORBELLS);
        let mut rows = self.rows_of(command)?;
        drop(step);
        rows.iter_mut().for_each(Row::count_instructions);
        Ok(rows)
    }

    fn rows_of(&self, command: Command) -> Result<Vec<Row>, ToolError> {
        let log = self.log_of(command)?;
        let rows = Row::find(&log).map_err(|line| BenchError::BadRow {
            name: self.name.clone(),
            machine: self.machine.name(),
            line: line.to_owned(),
        })?;
        Ok(rows)
    }

    /// Runs a machine to its end; its log.
    fn log_of(&self, command: Command) -> Result<String, ToolError> {
        let (ending, _, log) = run_to_end(command)?;
        if ending == Ending::Status(0) {
            return Ok(log);
        }
        Err(BenchError::Failed {
            name: self.name.clone(),
            machine: self.machine.name(),
            ending,
            log: last_lines(&log),
        }
        .into())
    }
}

/// Runs a machine to its end: how it ended, its console and its log.
pub fn run_to_end(command: Command) -> Result<(Ending, String, String), ToolError> {
    let (console, log) = (Capture::default(), Capture::default());
    let streams = Streams {
        console: Box::new(console.clone()),
        log: Box::new(log.clone()),
        is_interactive: false,
        proof: session::Proof::default(),
    };
    let ending = session::watch(command, streams, Some(LIMIT))?;
    let text = |capture: Capture| String::from_utf8_lossy(&capture.take()).into_owned();
    Ok((ending, text(console), text(log)))
}

/// Builds a system with a fresh disk; the machine that boots it and, with
/// `exec`, runs these commands.
pub fn prepare(
    tree: &Tree,
    system: &str,
    machine: Machine,
    exec: Option<&str>,
    folder: &RunFolder,
) -> Result<Boot, ToolError> {
    let options = RunOptions {
        exec: exec.map(str::to_owned),
        ..options(system, machine)
    };
    let built = build::build(tree, system, machine)?;
    run::prepare(tree, &options, &built, folder)
}

/// What every machine that is measured has.
fn options(system: &str, machine: Machine) -> RunOptions {
    RunOptions {
        setup: Setup {
            system: system.to_owned(),
            machine,
            cpus: 1,
            memory: MEMORY_BYTES,
            ..Setup::default()
        },
        disk: None,
        disk_size: 256 << 20,
        exec: None,
        timeout: None,
        gdb: false,
    }
}

/// The disk to measure: one without a medium in QEMU, a fresh file in a process.
fn measured_disk(machine: Machine, folder: &RunFolder) -> Result<PathBuf, ToolError> {
    if machine == Machine::Pc {
        // QEMU's null device has 1 GiB by default, as the file below.
        return Ok(PathBuf::from("null-co://"));
    }
    let path = folder.file("disk.raw");
    File::create(&path)
        .and_then(|file: File| file.set_len(DISK_BYTES))
        .map_err(ToolError::file("make", &path))?;
    Ok(path)
}

/// The end of a log, for a message.
pub fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let first = lines.len().saturating_sub(12);
    lines[first..].join("\n")
}

/// For `map_err`: what cannot be measured on the host.
pub fn failed(what: &'static str) -> impl FnOnce(io::Error) -> ToolError {
    move |source| BenchError::Peer { what, source }.into()
}
