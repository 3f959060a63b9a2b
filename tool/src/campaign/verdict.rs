//! Whether a campaign shows what it should.

use abi::death::DeathCause;
use campaign::Outcome;
use serde::Serialize;

use super::targets::Targets;
use super::watch::Seen;
use crate::run::session::Ending;

/// Least share of deaths of domains that come back that no client sees.
const TRANSPARENT_PER_CENT: f64 = 99.0;

/// The verdict.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Faults of domains that come back that no client saw, in per cent.
    pub transparent_per_cent: Option<f64>,
    /// What does not hold.
    pub failures: Vec<String>,
}

impl Verdict {
    /// Judges what was seen of a campaign of so many faults.
    pub fn judge(seen: &Seen, faults: u32, targets: &Targets, findings: Vec<String>) -> Self {
        let mut failures = Vec::new();
        let count = seen.outcomes.len();
        if seen.ending != Ending::Status(0) || !seen.is_done || count != faults as usize {
            failures.push(format!(
                "the system did not come to its end: {count} of {faults} faults, {:?}",
                seen.ending
            ));
        }
        if !seen.has_clean_audit {
            failures.push("the kernel's audit at the end is not clean".to_owned());
        }
        failures.extend(findings);
        for outcome in &seen.outcomes {
            failures.extend(faults_of(outcome));
        }
        let transparent_per_cent = transparency(&seen.outcomes, targets);
        if let Some(share) = transparent_per_cent
            && share < TRANSPARENT_PER_CENT
        {
            failures.push(format!(
                "clients saw too many deaths: {share:.2} % were transparent, \
                 expected {TRANSPARENT_PER_CENT} %"
            ));
        }
        Self {
            transparent_per_cent,
            failures,
        }
    }
}

/// What may not be, whatever dies.
fn faults_of(outcome: &Outcome) -> Vec<String> {
    let name = || {
        let (number, cause) = (outcome.number, outcome.cause.name());
        format!("fault {number}, {cause} in {}", outcome.target)
    };
    let mut faults = Vec::new();
    if !outcome.is_contained() {
        let death = outcome.death.and_then(DeathCause::from_number);
        let death = death.map_or("it did not die", DeathCause::name);
        let others = outcome.others_died;
        faults.push(format!(
            "{}: not contained: {death}, {others} other domains died",
            name()
        ));
    }
    if outcome.lost_bytes != 0 {
        let lost = outcome.lost_bytes;
        faults.push(format!("{}: {lost} acknowledged bytes lost", name()));
    }
    if outcome.leftovers != 0 {
        let left = outcome.leftovers;
        faults.push(format!("{}: {left} resources not reclaimed", name()));
    }
    faults
}

/// Share of the faults in targets that come back that no client saw, in per cent;
/// `None`: there were none.
fn transparency(outcomes: &[Outcome], targets: &Targets) -> Option<f64> {
    let of_unseen = || {
        let mut all = outcomes.iter().filter(|outcome| outcome.is_injected);
        std::iter::from_fn(move || all.find(|outcome| targets.is_unseen(&outcome.target)))
    };
    let all = of_unseen().count();
    let hidden = of_unseen().filter(|one| one.is_transparent()).count();
    (all != 0).then(|| 100.0 * hidden as f64 / all as f64)
}
