//! `./redleaf test`: host tests, then whole systems from a table.
//!
//! The table is `tests/scenarios.toml`; [`scenario`] reads and runs it, [`forge`]
//! makes images that must be refused, [`host`] runs cargo's tests. Every failure is shown when it happens; the last line
//! is `N passed, N failed`.

mod forge;
mod host;
mod scenario;

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

/// Carries out `./redleaf test`.
///
/// # Errors
/// Any [`ToolError`] that keeps tests from running; failed tests are counted.
pub fn command(tree: &Tree, options: &TestOptions) -> Result<u8, ToolError> {
    let scenarios = scenario::read(tree)?;
    let mut counts = host::run(tree, options)?;
    for scenario in &scenarios {
        if options.quick && !scenario.is_quick() {
            continue;
        }
        for place in scenario.places() {
            if options
                .filter
                .as_ref()
                .is_none_or(|filter| scenario.name_at(place).contains(filter.as_str()))
            {
                counts.add(scenario.run(tree, place)?);
            }
        }
    }
    if counts == Counts::default() {
        eprintln!("redleaf: no test matches");
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    Ok(u8::from(counts.failed > 0 || counts == Counts::default()))
}
