//! `./redleaf run`: builds a system, boots it, and is its console.
//!
//! Both machines are a child process with the same contract: standard input
//! and output are the console, standard error is the kernel's log, and the log
//! says `redleaf: exit status N` before the end. [`machine`] makes the command
//! line, [`session`] watches the child, [`terminal`] lends it the terminal.

pub mod machine;
pub mod session;
mod terminal;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::archive::{self, BootSettings};
use crate::build::{self, Built};
use crate::cli::{Machine, RunOptions};
use crate::disk;
use crate::error::ToolError;
use crate::tree::Tree;

use machine::Boot;
use session::{Ending, Proof, Streams};

/// Exit status when the time is up.
const TIMED_OUT: u8 = 124;

/// Why a system could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It ended without saying with which status.
    #[error(
        "the system failed: it ended without an exit status; its last words are in the log above"
    )]
    NoStatus,
    /// The machine could not be watched.
    #[error("the system failed: {0}")]
    Watch(io::Error),
}

/// Carries out `./redleaf run`.
///
/// # Errors
/// Any [`ToolError`] of building, of the disk and of the run.
pub fn run(tree: &Tree, options: &RunOptions) -> Result<u8, ToolError> {
    options.setup.check()?;
    if let Some(disk) = &options.disk {
        disk::check(disk)?;
    }
    let built = build::build(tree, &options.setup.system, options.setup.machine)?;
    let folder = RunFolder::make(tree)?;
    let mut boot = prepare(tree, options, &built, &folder)?;
    boot.mark = Some(machine::new_mark()?);
    let streams = Streams {
        console: Box::new(io::stdout()),
        log: Box::new(io::stderr()),
        is_interactive: options.exec.is_none(),
        proof: Proof::of(boot.mark.as_deref()),
    };
    let limit = options.timeout.map(Duration::from_secs);
    if options.gdb {
        // In a process, timers and the faults of domains are signals.
        let more = match options.setup.machine {
            Machine::Pc => "",
            Machine::Hosted => " -ex 'handle all nostop noprint pass'",
        };
        let kernel = boot.kernel.display();
        eprintln!("redleaf: waiting for: gdb {kernel} -ex 'target remote 127.0.0.1:1234'{more}");
    }
    match session::watch(boot.command(), streams, limit)? {
        Ending::Status(status) => Ok(status),
        Ending::Left => Ok(0),
        Ending::TimedOut => {
            eprintln!(
                "redleaf: the time is up: ended the system after {} s",
                limit.unwrap_or_default().as_secs()
            );
            Ok(TIMED_OUT)
        }
        Ending::NoStatus => Err(RunError::NoStatus.into()),
    }
}

/// Writes archive and disk of a run; the machine that boots from them.
///
/// # Errors
/// Any [`ToolError`] of files and of the disk.
pub fn prepare(
    tree: &Tree,
    options: &RunOptions,
    built: &Built,
    folder: &RunFolder,
) -> Result<Boot, ToolError> {
    let size = terminal::size();
    let settings = BootSettings {
        exec: options.exec.clone(),
        columns: size.map(|(columns, _)| columns),
        rows: size.map(|(_, rows)| rows),
    };
    let archive = folder.file("archive.tar");
    // A Linux process finds its own symbols; a booted kernel has no file.
    let symbols = (options.setup.machine == Machine::Pc).then(|| build::kernel_symbols(tree));
    archive::write(tree, &archive, built, symbols.as_deref(), &settings)?;
    let disk = match &options.disk {
        Some(disk) => disk.clone(),
        None => {
            let pristine = disk::pristine(tree, &options.setup.system, built, options.disk_size)?;
            let copy = folder.file("disk.ext2");
            disk::copy(&pristine, &copy)?;
            copy
        }
    };
    Ok(Boot {
        machine: options.setup.machine,
        kernel: built.kernel.clone(),
        archive,
        disk,
        cpus: options.setup.cpus,
        memory_bytes: options.setup.memory,
        harden: options.setup.harden,
        has_iommu: options.setup.iommu,
        waits_for_gdb: options.gdb,
        qemu_arguments: Vec::new(),
        mark: None,
    })
}

/// A folder for the files of one run, removed at its end.
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes a folder that no other run has.
    ///
    /// # Errors
    /// [`ToolError::File`] if that is impossible.
    pub fn make(tree: &Tree) -> Result<Self, ToolError> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let path = tree.make_target(&format!("runs/{}-{run}", std::process::id()))?;
        Ok(Self { path })
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // What cannot be removed stays under target/; the run is over.
        let _ = fs::remove_dir_all(&self.path);
    }
}
