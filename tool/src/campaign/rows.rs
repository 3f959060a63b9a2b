//! What became of the faults, by target and cause.

use campaign::{Cause, Outcome};
use serde::Serialize;

/// Outcomes that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Name of the domain; empty in the row of all.
    pub target: String,
    /// What went wrong; `None`: whatever it was.
    pub cause: Option<&'static str>,
    /// Faults that happened.
    pub injected: usize,
    /// Of these, while a thread executed in the domain, at whatever instruction.
    pub at_work: usize,
    /// The domain died of them.
    pub died: usize,
    /// Nothing else died of them.
    pub contained: usize,
    /// Clients saw nothing but a pause.
    pub transparent: usize,
    /// Clients saw errors.
    pub seen: usize,
    /// Acknowledged bytes lost.
    pub lost_bytes: u64,
    /// What the kernel still held of the dead.
    pub leftovers: u64,
    /// From the death until callers reached the successor.
    pub recovery_ns: Option<Spread>,
    /// The longest operations of clients.
    pub pause_ns: Option<Spread>,
}

/// How times are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Half took at most this.
    pub p50: u64,
    /// 99 in 100 took at most this.
    pub p99: u64,
    /// All took at most this.
    pub max: u64,
}

impl Spread {
    /// Of times in nanoseconds; `None`: there are none.
    pub fn of(mut times: Vec<u64>) -> Option<Self> {
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        let at = |share: usize| times[(last * share).div_ceil(100)];
        Some(Self {
            p50: at(50),
            p99: at(99),
            max: times[last],
        })
    }
}

impl Row {
    /// Counts outcomes.
    pub fn count(target: &str, cause: Option<Cause>, outcomes: &[&Outcome]) -> Self {
        let injected: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.is_injected)
            .copied()
            .collect();
        let count =
            |holds: fn(&Outcome) -> bool| injected.iter().filter(|outcome| holds(outcome)).count();
        let recovered = injected.iter().filter(|outcome| outcome.runs_again);
        let times = recovered.map(|outcome| outcome.recovery_ns).collect();
        let pauses = injected.iter().map(|outcome| outcome.pause_ns).collect();
        Self {
            target: target.to_owned(),
            cause: cause.map(Cause::name),
            injected: injected.len(),
            at_work: count(|outcome| outcome.was_at_work),
            died: count(|outcome| outcome.death.is_some()),
            contained: count(Outcome::is_contained),
            transparent: count(Outcome::is_transparent),
            seen: count(|outcome| outcome.errors > 0),
            lost_bytes: injected.iter().map(|outcome| outcome.lost_bytes).sum(),
            leftovers: injected.iter().map(|outcome| outcome.leftovers).sum(),
            recovery_ns: Spread::of(times),
            pause_ns: Spread::of(pauses),
        }
    }
}

/// A row for each target and cause, one for each target, and one for all.
pub fn rows(outcomes: &[Outcome]) -> Vec<Row> {
    let mut names: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !names.contains(&outcome.target.as_str()) {
            names.push(&outcome.target);
        }
    }
    names.sort_unstable();
    let mut rows = Vec::new();
    for name in names {
        let of_target: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.target == name)
            .collect();
        for cause in Cause::ALL {
            let of_cause: Vec<&Outcome> = of_target
                .iter()
                .filter(|outcome| outcome.cause == cause)
                .copied()
                .collect();
            if !of_cause.is_empty() {
                rows.push(Row::count(name, Some(cause), &of_cause));
            }
        }
        rows.push(Row::count(name, None, &of_target));
    }
    rows.push(Row::count("", None, &outcomes.iter().collect::<Vec<_>>()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(line: &str) -> Outcome {
        line.parse().unwrap()
    }

    #[test]
    fn outcomes_are_counted_by_target_and_cause() {
        let outcomes = [
            outcome("fault 1 nvme panic 1 1 1 0 1 500 0 0 0 900"),
            outcome("fault 2 nvme panic 1 0 1 0 1 700 0 2 0 800"),
            outcome("fault 3 nvme interrupt 0 0 0 0 0 0 0 0 0 10"),
            outcome("fault 4 ext2fs null 1 1 2 1 0 0 3 0 64 10"),
        ];
        let rows = rows(&outcomes);
        let find = |target: &str, cause: Option<&str>| {
            let mut rows = rows.iter();
            rows.find(|row| row.target == target && row.cause == cause)
                .unwrap()
        };
        let panics = find("nvme", Some("panic"));
        assert_eq!((panics.injected, panics.at_work, panics.died), (2, 1, 2));
        assert_eq!((panics.transparent, panics.seen), (1, 1));
        assert_eq!(panics.recovery_ns.map(|spread| spread.max), Some(700));
        assert_eq!(find("nvme", Some("interrupt")).injected, 0);
        let files = find("ext2fs", None);
        assert_eq!((files.contained, files.leftovers), (0, 3));
        assert_eq!((files.lost_bytes, files.recovery_ns), (64, None));
        assert_eq!(find("", None).injected, 3);
    }

    #[test]
    fn a_spread_is_of_sorted_times() {
        assert_eq!(Spread::of(Vec::new()), None);
        let spread = Spread::of((1..=100).rev().collect()).unwrap();
        assert_eq!((spread.p50, spread.p99, spread.max), (51, 100, 100));
        let one = Spread::of(vec![7]).unwrap();
        assert_eq!((one.p50, one.p99, one.max), (7, 7, 7));
    }
}
