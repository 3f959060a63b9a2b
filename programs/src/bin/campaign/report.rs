//! What a worker says of a round, and what the conductor makes of it.

use posix::io;
use posix::prelude::*;
use posix::time::Instant;

/// What happened in one round of a worker, or since the last fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations that failed.
    pub errors: u64,
    /// Bytes that were not what had been written.
    pub lost_bytes: u64,
    /// The longest operation, in nanoseconds.
    pub longest_ns: u64,
}

impl Tally {
    /// Does and times an operation; an error is complained of and counted.
    pub fn does<T>(&mut self, what: &str, operation: impl FnOnce() -> io::Result<T>) -> Option<T> {
        let start = Instant::now();
        let result = operation();
        let passed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.longest_ns = self.longest_ns.max(passed);
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                complain!("{what}: {error}");
                self.errors += 1;
                None
            }
        }
    }

    /// Compares what was read with what should be there.
    pub fn compares(&mut self, what: &str, found: &[u8], expected: &[u8]) {
        let differing = found
            .iter()
            .zip(expected)
            .filter(|(one, other)| one != other);
        let lost = differing.count() + found.len().abs_diff(expected.len());
        if lost != 0 {
            complain!("{what}: {lost} bytes are not what was written");
            self.lost_bytes += lost as u64;
        }
    }

    /// Adds what happened in another round.
    pub fn add(&mut self, other: &Self) {
        self.errors += other.errors;
        self.lost_bytes += other.lost_bytes;
        self.longest_ns = self.longest_ns.max(other.longest_ns);
    }
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A round is complete: the worker, when it began, what happened.
    Round(usize, u64, Tally),
    /// At the end: a file and the sum of what is in it.
    Kept(String),
}

impl Report {
    /// As a line.
    pub fn line(&self) -> String {
        match self {
            Self::Round(worker, began_ns, tally) => format!(
                "round {worker} {began_ns} {} {} {}\n",
                tally.errors, tally.lost_bytes, tally.longest_ns
            ),
            Self::Kept(text) => format!("kept {text}\n"),
        }
    }

    /// Reads a line.
    pub fn read(line: &str) -> Option<Self> {
        if let Some(text) = line.strip_prefix("kept ") {
            return Some(Self::Kept(text.into()));
        }
        let mut numbers = line.strip_prefix("round ")?.split(' ');
        let mut next = || numbers.next()?.parse::<u64>().ok();
        let worker = usize::try_from(next()?).ok()?;
        let began_ns = next()?;
        let tally = Tally {
            errors: next()?,
            lost_bytes: next()?,
            longest_ns: next()?,
        };
        Some(Self::Round(worker, began_ns, tally))
    }
}
