//! A worker: works and checks in rounds until it is told to stop.

use posix::fs;
use posix::prelude::*;
use posix::time::Instant;

use crate::files::Files;
use crate::names::Names;
use crate::report::{Report, Tally};
use crate::starts::Starts;
use crate::threads::Threads;
use crate::{DIRECTORY, victim};

/// The workers.
pub const NAMES: [&str; 4] = ["files", "names", "starts", "threads"];

/// A workload that checks itself.
pub trait Work {
    /// Some operations, and a look at whether they did what they should.
    fn round(&mut self, tally: &mut Tally);
    /// Its files, as `PATH SHA256` each, for a look from outside.
    fn kept(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The file whose appearance tells workers to stop.
pub fn stop_file() -> String {
    format!("{DIRECTORY}/stop")
}

/// Runs the worker with this name.
pub fn run(name: &str) -> ExitCode {
    if name == victim::NAME {
        victim::run();
    }
    let Some(number) = NAMES.iter().position(|known| *known == name) else {
        complain!("{name}: no such worker");
        return ExitCode::from(2);
    };
    let directory = format!("{DIRECTORY}/{name}");
    if let Err(error) = fs::create_dir(&directory) {
        complain!("{directory}: {error}");
        return ExitCode::FAILURE;
    }
    let seed = number as u64;
    let mut work: Box<dyn Work> = match number {
        0 => Box::new(Files::new(directory, seed)),
        1 => Box::new(Names::new(directory, seed)),
        2 => Box::new(Starts::new(seed)),
        _ => Box::new(Threads::new(directory)),
    };
    while !fs::exists(&stop_file()) {
        let began = u64::try_from(Instant::now().since_boot().as_nanos()).unwrap_or(u64::MAX);
        let mut tally = Tally::default();
        work.round(&mut tally);
        if !say(&Report::Round(number, began, tally)) {
            return ExitCode::FAILURE;
        }
    }
    for kept in work.kept() {
        if !say(&Report::Kept(kept)) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Tells the conductor; false if it has gone.
fn say(report: &Report) -> bool {
    let mut out = posix::io::stdout();
    out.write_all(report.line().as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
}
