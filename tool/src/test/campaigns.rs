//! Short campaigns of faults: what `./redleaf campaign` must find in order.

use std::time::Instant;

use super::{Counts, Speed};
use crate::campaign::{self, Targets};
use crate::cli::{CampaignOptions, Machine, Setup};
use crate::error::ToolError;
use crate::tree::Tree;

/// Faults of each.
const FAULTS: u32 = 200;

/// A campaign with a seed of its own.
pub struct Campaign {
    machine: Machine,
    cpus: u32,
    seed: u64,
    speed: Speed,
}

/// All of them.
pub const CAMPAIGNS: [Campaign; 3] = [
    Campaign {
        machine: Machine::Hosted,
        cpus: 1,
        seed: 1,
        speed: Speed::Quick,
    },
    Campaign {
        machine: Machine::Hosted,
        cpus: 2,
        seed: 2,
        speed: Speed::Slow,
    },
    Campaign {
        machine: Machine::Pc,
        cpus: 1,
        seed: 3,
        speed: Speed::Slow,
    },
];

impl Campaign {
    /// How long it takes.
    pub const fn speed(&self) -> Speed {
        self.speed
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
        super::report_with_log(tree, seconds, &self.full_name(), failures, &report.log)
    }
}
