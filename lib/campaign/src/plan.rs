//! Which fault comes next.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{Cause, Chance};

/// Longest time between two faults, in nanoseconds.
const MOST_PAUSE_NS: u64 = 20_000_000;

/// What a target is to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Drives a device: that may go wrong, too.
    Driver,
    /// Serves others and comes back.
    Service,
    /// A process: it dies alone and does not come back by itself.
    Program,
}

impl Kind {
    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Service => "service",
            Self::Program => "program",
        }
    }
}

/// A domain that faults are injected into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// A fault to be injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counts from 1.
    pub number: u32,
    /// Place of the domain among the plan's targets.
    pub target: usize,
    /// What goes wrong.
    pub cause: Cause,
    /// Time to let pass before, in nanoseconds.
    pub pause_ns: u64,
    /// Makes the instruction at which it happens.
    pub seed: u64,
}

/// Faults without end, made from a seed: each target equally often, each of its
/// causes equally often.
#[derive(Clone, Debug)]
pub struct Plan {
    chance: Chance,
    /// The causes of each target.
    causes: Vec<Vec<Cause>>,
    number: u32,
}

impl Plan {
    /// Faults for `targets`, of `causes` as far as they make sense there.
    ///
    /// `None` when no target has a cause.
    #[must_use]
    pub fn new(seed: u64, targets: &[Target], causes: &[Cause]) -> Option<Self> {
        let of = |target: &Target| -> Vec<Cause> {
            let has_device = target.kind == Kind::Driver;
            let makes_sense = |cause: &&Cause| has_device || !cause.is_of_device();
            causes.iter().filter(makes_sense).copied().collect()
        };
        let causes: Vec<Vec<Cause>> = targets.iter().map(of).collect();
        causes
            .iter()
            .any(|causes| !causes.is_empty())
            .then_some(Self {
                chance: Chance::new(seed),
                causes,
                number: 0,
            })
    }
}

impl Iterator for Plan {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        // Some target has a cause, so this ends.
        loop {
            let target = place(&mut self.chance, self.causes.len());
            let causes = &self.causes[target];
            if causes.is_empty() {
                continue;
            }
            let cause = causes[place(&mut self.chance, causes.len())];
            self.number += 1;
            return Some(Fault {
                number: self.number,
                target,
                cause,
                pause_ns: self.chance.below(MOST_PAUSE_NS),
                seed: self.chance.number(),
            });
        }
    }
}

fn place(chance: &mut Chance, count: usize) -> usize {
    usize::try_from(chance.below(count as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn targets() -> Vec<Target> {
        [
            ("disk", Kind::Driver),
            ("files", Kind::Service),
            ("victim", Kind::Program),
        ]
        .map(|(name, kind)| Target {
            name: name.to_string(),
            kind,
        })
        .into()
    }

    #[test]
    fn a_seed_gives_the_same_faults_again_and_another_seed_others() {
        let faults = |seed| -> Vec<Fault> {
            let plan = Plan::new(seed, &targets(), &Cause::ALL).expect("has causes");
            plan.take(500).collect()
        };
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
    }

    #[test]
    fn every_target_meets_every_cause_that_makes_sense_there_and_no_other() {
        let plan = Plan::new(1, &targets(), &Cause::ALL).expect("has causes");
        let mut seen: Vec<(usize, Cause)> = plan
            .take(1000)
            .map(|fault| (fault.target, fault.cause))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        let of_devices = Cause::ALL.iter().filter(|cause| cause.is_of_device());
        let of_services = Cause::ALL.len() - of_devices.count();
        assert_eq!(seen.len(), Cause::ALL.len() + 2 * of_services);
        let is_sane = |(target, cause): &(usize, Cause)| *target == 0 || !cause.is_of_device();
        assert!(seen.iter().all(is_sane));
    }

    #[test]
    fn there_is_no_plan_without_a_fault() {
        let services = &targets()[1..];
        assert!(Plan::new(1, services, &[Cause::LostInterrupt]).is_none());
        assert!(Plan::new(1, &[], &Cause::ALL).is_none());
        assert!(Plan::new(1, &targets(), &[]).is_none());
    }

    #[test]
    fn a_target_without_a_cause_is_left_alone() {
        let plan = Plan::new(1, &targets(), &[Cause::LostInterrupt]).expect("one has");
        assert!(plan.take(100).all(|fault| fault.target == 0));
    }
}
