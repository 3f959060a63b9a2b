//! A campaign as a table, as JSON and as a plot.

use std::path::Path;

use campaign::Outcome;
use serde::Serialize;

use super::rows::{Row, Spread, rows};
use super::targets::Targets;
use super::verdict::Verdict;
use super::watch::Seen;
use crate::bench::plot::{self, Line, Lines};
use crate::cli::CampaignOptions;
use crate::error::ToolError;

/// What a campaign found.
#[derive(Debug, Serialize)]
pub struct Report {
    system: String,
    machine: &'static str,
    cpus: u32,
    seed: u64,
    faults: u32,
    rows: Vec<Row>,
    /// What holds and what does not.
    pub verdict: Verdict,
    #[serde(skip)]
    outcomes: Vec<Outcome>,
    /// The kernel's log.
    #[serde(skip)]
    pub log: String,
}

impl Report {
    /// Counts and judges what was seen.
    pub fn new(
        options: &CampaignOptions,
        targets: &Targets,
        seen: Seen,
        findings: Vec<String>,
    ) -> Self {
        Self {
            system: options.setup.system.clone(),
            machine: options.setup.machine.name(),
            cpus: options.setup.cpus,
            seed: options.seed,
            faults: options.faults,
            rows: rows(&seen.outcomes),
            verdict: Verdict::judge(&seen, options.faults, targets, findings),
            outcomes: seen.outcomes,
            log: seen.log,
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let (system, machine, seed) = (&self.system, self.machine, self.seed);
        let mut text = format!(
            "campaign on {system}, {machine}, seed {seed}\n  \
             {:24} {:>8} {:>8} {:>9} {:>11} {:>5} {:>5} {:>5}   {:>23}   {:>23}\n  \
             {:24} {:>8} {:>8} {:>9} {:>11} {:>5} {:>5} {:>5}   {:>7} {:>7} {:>7}   \
             {:>7} {:>7} {:>7}\n",
            "",
            "",
            "",
            "",
            "",
            "",
            "bytes",
            "left",
            "recovery ms",
            "longest operation ms",
            "",
            "injected",
            "at work",
            "contained",
            "transparent",
            "seen",
            "lost",
            "over",
            "p50",
            "p99",
            "max",
            "p50",
            "p99",
            "max"
        );
        for row in &self.rows {
            text += line(row).trim_end();
            text.push('\n');
        }
        if let Some(share) = self.verdict.transparent_per_cent {
            text += &format!("  deaths of domains that come back nobody saw: {share:.2} %\n");
        }
        for failure in &self.verdict.failures {
            text += &format!("  FAIL {failure}\n");
        }
        if self.verdict.failures.is_empty() {
            text += "  all contained, nothing lost, everything reclaimed\n";
        }
        text
    }

    /// For scripts.
    pub fn json(&self) -> String {
        // Strings and finite numbers can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// How long recoveries took, by target.
    ///
    /// # Errors
    /// [`ToolError`] when the file cannot be drawn.
    pub fn plot(&self, path: &Path) -> Result<(), ToolError> {
        let of_targets = self.rows.iter().filter(|row| row.cause.is_none());
        let lines: Vec<Line> = of_targets.filter_map(|row| self.curve(row)).collect();
        plot::lines(
            path,
            &Lines {
                title: format!(
                    "Milliseconds from a death to the successor, {}",
                    self.machine
                ),
                across: "per cent of the deaths".to_owned(),
                has_ideal: false,
                lines,
            },
        )
    }

    /// Recovery times of a target, sorted; `None`: it has none.
    fn curve(&self, row: &Row) -> Option<Line> {
        row.recovery_ns.filter(|_| !row.target.is_empty())?;
        let mut times: Vec<u64> = self
            .outcomes
            .iter()
            .filter(|outcome| outcome.target == row.target && outcome.runs_again)
            .map(|outcome| outcome.recovery_ns)
            .collect();
        times.sort_unstable();
        let share = |index: usize| 100.0 * (index + 1) as f64 / times.len() as f64;
        let points = times.iter().enumerate();
        Some(Line {
            name: row.target.clone(),
            points: points
                .map(|(index, time)| (share(index), milliseconds(*time)))
                .collect(),
        })
    }
}

/// A row of the table.
fn line(row: &Row) -> String {
    let name = match (row.target.as_str(), row.cause) {
        ("", _) => "all".to_owned(),
        (target, None) => target.to_owned(),
        (_, Some(cause)) => format!("  {cause}"),
    };
    format!(
        "  {name:24} {:>8} {:>8} {:>9} {:>11} {:>5} {:>5} {:>5}   {}   {}",
        row.injected,
        row.at_work,
        row.contained,
        row.transparent,
        row.seen,
        row.lost_bytes,
        row.leftovers,
        spread(row.recovery_ns),
        spread(row.pause_ns)
    )
}

fn spread(times: Option<Spread>) -> String {
    let Some(times) = times else {
        return format!("{:>7} {:>7} {:>7}", "-", "-", "-");
    };
    let [p50, p99, max] = [times.p50, times.p99, times.max].map(milliseconds);
    format!("{p50:>7.2} {p99:>7.2} {max:>7.2}")
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}
