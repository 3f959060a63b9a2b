//! Short campaigns of faults: what `./redleaf campaign` must find in order.

use std::time::Instant;

use super::Counts;
use crate::campaign::{self, Targets};
use crate::cli::{CampaignOptions, Machine, Setup};
use crate::error::ToolError;
use crate::tree::Tree;

/// Faults of each.
const FAULTS: u32 = 200;

/// Lines of the log that are shown after a failure.
const SHOWN_LINES: usize = 100;

/// A campaign with a seed of its own.
pub struct Campaign {
    machine: Machine,
    cpus: u32,
    seed: u64,
    is_slow: bool,
}

/// All of them.
pub const CAMPAIGNS: [Campaign; 3] = [
    Campaign {
        machine: Machine::Hosted,
        cpus: 1,
        seed: 1,
        is_slow: false,
    },
    Campaign {
        machine: Machine::Hosted,
        cpus: 2,
        seed: 2,
        is_slow: true,
    },
    Campaign {
        machine: Machine::Pc,
        cpus: 1,
        seed: 3,
        is_slow: true,
    },
];

impl Campaign {
    /// Whether `--quick` leaves it out.
    pub const fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// Its name in reports and filters.
    pub fn full_name(&self) -> String {
        let machine = self.machine.name();
        let place = match self.cpus {
            1 => machine.to_owned(),
            cpus => format!("{machine}, {cpus} CPUs"),
        };
        format!("{place}: a campaign of {FAULTS} faults loses nothing and is not seen")
    }

    /// Runs it and reports; counts one.
    pub fn run(&self, tree: &Tree) -> Result<Counts, ToolError> {
        let begin = Instant::now();
        let options = CampaignOptions {
            setup: Setup {
                machine: self.machine,
                cpus: self.cpus,
                ..Setup::default()
            },
            seed: self.seed,
            faults: FAULTS,
            ..CampaignOptions::default()
        };
        let targets = Targets::choose(tree, &options)?;
        let report = campaign::carry_out(tree, &options, &targets)?;
        let seconds = begin.elapsed().as_secs_f64();
        let failures = &report.verdict.failures;
        let counts = super::report(seconds, &self.full_name(), failures);
        if counts.failed > 0 {
            let lines: Vec<&str> = report.log.lines().collect();
            eprintln!("     ---- the end of the log");
            for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
                eprintln!("     {line}");
            }
        }
        Ok(counts)
    }
}
