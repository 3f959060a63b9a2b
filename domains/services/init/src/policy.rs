//! How often a domain is started again, and after which pause.
//!
//! A domain that dies right after its start is in a row of failures: the pause
//! doubles, and after some it stays dead. One that worked for a while first is
//! started again at once, whatever killed it, as long as its budget lasts. Nor does it
//! stay dead for a row of calls that programs made: those are charged with them, and end;
//! nor because there is no memory to start it with: those who have it will end.

use alloc::collections::VecDeque;

use manifest::{BUDGET_NS, RestartLimit};

/// Longest pause before a restart.
const LONGEST_PAUSE_NS: u64 = 60_000_000_000;

/// The restarts of one domain.
#[derive(Debug, Default)]
pub struct Row {
    /// Restarts since it last worked for a while.
    in_a_row: u32,
    /// Those of them that programs are charged with.
    charged: u32,
    /// When each restart of the last [`BUDGET_NS`] was, oldest first.
    recent: VecDeque<u64>,
}

/// A life that is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    /// How long it was; 0: it did not even start.
    pub lived_ns: u64,
    /// It ended by a call of a program, which is charged with that; or it did not start
    /// because others have the memory.
    pub is_charged: bool,
}

/// What to do about a death.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Start it again after so many nanoseconds.
    Restart(u64),
    /// It died so often right after its start: it stays dead.
    TooManyInARow(u32),
    /// It died so often within [`BUDGET_NS`]: it stays dead.
    TooManyAtAll(u32),
}

impl Row {
    /// Decides about a death at `now_ns`.
    pub fn judge(&mut self, limit: &RestartLimit, now_ns: u64, life: Life) -> Verdict {
        if life.lived_ns >= limit.settle_ns {
            self.in_a_row = 0;
            self.charged = 0;
        }
        let oldest_ns = now_ns.saturating_sub(BUDGET_NS);
        while self
            .recent
            .front()
            .is_some_and(|restart_ns| *restart_ns < oldest_ns)
        {
            self.recent.pop_front();
        }
        if self.in_a_row >= limit.limit && !life.is_charged {
            return Verdict::TooManyInARow(self.in_a_row);
        }
        if self.recent.len() >= limit.budget as usize {
            return Verdict::TooManyAtAll(limit.budget);
        }
        let (failures, longest_ns) = if life.is_charged {
            // Never so fast that the budget is used up by these alone.
            let longest_ns = 2 * BUDGET_NS / u64::from(limit.budget);
            (&mut self.charged, longest_ns)
        } else {
            (&mut self.in_a_row, LONGEST_PAUSE_NS)
        };
        let pause_ns = match *failures {
            0 => 0,
            failures => {
                let doublings = (failures - 1).min(32);
                let pause_ns = u128::from(limit.backoff_ns) << doublings;
                u64::try_from(pause_ns).map_or(longest_ns, |ns| ns.min(longest_ns))
            }
        };
        *failures += 1;
        self.recent.push_back(now_ns);
        Verdict::Restart(pause_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const LIMIT: RestartLimit = RestartLimit {
        backoff_ns: 10 * MS,
        limit: 4,
        settle_ns: 20 * MS,
        budget: 6,
    };

    #[test]
    fn pauses_double_and_then_it_stays_dead() {
        let mut row = Row::default();
        let verdicts: Vec<_> = (0..6).map(|at| row.judge(&LIMIT, at, life(0))).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Restart(0),
                Verdict::Restart(10 * MS),
                Verdict::Restart(20 * MS),
                Verdict::Restart(40 * MS),
                Verdict::TooManyInARow(4),
                Verdict::TooManyInARow(4),
            ]
        );
    }

    const fn life(lived_ns: u64) -> Life {
        Life {
            lived_ns,
            is_charged: false,
        }
    }

    #[test]
    fn what_programs_are_charged_with_keeps_nobody_dead() {
        let mut row = Row::default();
        let charged = Life {
            lived_ns: 0,
            is_charged: true,
        };
        let limit = RestartLimit {
            budget: 200,
            ..LIMIT
        };
        let mut now_ns = 0;
        for death in 0..1_000 {
            let Verdict::Restart(pause_ns) = row.judge(&limit, now_ns, charged) else {
                unreachable!("it stays dead after {death} deaths");
            };
            assert!(pause_ns <= 100 * MS);
            now_ns += pause_ns;
        }
        // And counts in no row of its own.
        assert_eq!(
            row.judge(&limit, now_ns + BUDGET_NS, life(0)),
            Verdict::Restart(0)
        );
    }

    #[test]
    fn one_that_worked_comes_back_at_once_every_time() {
        let mut row = Row::default();
        for at in 0..1_000 {
            // Killed each two seconds: within every budget.
            let verdict = row.judge(&LIMIT, at * 2_000 * MS, life(2_000 * MS));
            assert_eq!(verdict, Verdict::Restart(0));
        }
    }

    #[test]
    fn the_budget_bounds_restarts_of_working_domains_too() {
        let mut row = Row::default();
        for at in 0..6 {
            let verdict = row.judge(&LIMIT, at * 100 * MS, life(50 * MS));
            assert_eq!(verdict, Verdict::Restart(0));
        }
        let verdict = row.judge(&LIMIT, 700 * MS, life(50 * MS));
        assert_eq!(verdict, Verdict::TooManyAtAll(6));
        // Later the first ones are forgotten.
        let verdict = row.judge(&LIMIT, BUDGET_NS + 50 * MS, life(50 * MS));
        assert_eq!(verdict, Verdict::Restart(0));
    }

    #[test]
    fn a_long_pause_is_bounded() {
        let limit = RestartLimit {
            limit: u32::MAX,
            budget: u32::MAX,
            ..LIMIT
        };
        let mut row = Row::default();
        let last = (0..100).map(|at| row.judge(&limit, at, life(0))).last();
        assert_eq!(last, Some(Verdict::Restart(LONGEST_PAUSE_NS)));
    }
}
