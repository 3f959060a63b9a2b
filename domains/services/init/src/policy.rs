//! How often a domain is started again, and after which pause.
//!
//! A domain that dies right after its start is in a row of failures: the pause
//! doubles, and after some it stays dead. One that worked for a while first is
//! started again at once, whatever killed it, as long as its budget lasts.

use alloc::collections::VecDeque;

use manifest::{BUDGET_NS, RestartLimit};

/// Longest pause before a restart.
const LONGEST_PAUSE_NS: u64 = 60_000_000_000;

/// The restarts of one domain.
#[derive(Debug, Default)]
pub struct Row {
    /// Restarts since it last worked for a while.
    in_a_row: u32,
    /// When each restart of the last [`BUDGET_NS`] was, oldest first.
    recent: VecDeque<u64>,
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
    /// Decides about a death at `now_ns` of a domain that lived `lived_ns`, 0 if
    /// it did not even start.
    pub fn judge(&mut self, limit: &RestartLimit, now_ns: u64, lived_ns: u64) -> Verdict {
        if lived_ns >= limit.settle_ns {
            self.in_a_row = 0;
        }
        let oldest_ns = now_ns.saturating_sub(BUDGET_NS);
        while self
            .recent
            .front()
            .is_some_and(|restart_ns| *restart_ns < oldest_ns)
        {
            self.recent.pop_front();
        }
        if self.in_a_row >= limit.limit {
            return Verdict::TooManyInARow(self.in_a_row);
        }
        if self.recent.len() >= limit.budget as usize {
            return Verdict::TooManyAtAll(limit.budget);
        }
        let pause_ns = match self.in_a_row {
            0 => 0,
            failures => {
                let doublings = (failures - 1).min(32);
                let pause_ns = u128::from(limit.backoff_ns) << doublings;
                u64::try_from(pause_ns).map_or(LONGEST_PAUSE_NS, |ns| ns.min(LONGEST_PAUSE_NS))
            }
        };
        self.in_a_row += 1;
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
        let verdicts: Vec<_> = (0..6).map(|at| row.judge(&LIMIT, at, 0)).collect();
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

    #[test]
    fn one_that_worked_comes_back_at_once_every_time() {
        let mut row = Row::default();
        for at in 0..1_000 {
            // Killed each two seconds: within every budget.
            let verdict = row.judge(&LIMIT, at * 2_000 * MS, 2_000 * MS);
            assert_eq!(verdict, Verdict::Restart(0));
        }
    }

    #[test]
    fn the_budget_bounds_restarts_of_working_domains_too() {
        let mut row = Row::default();
        for at in 0..6 {
            let verdict = row.judge(&LIMIT, at * 100 * MS, 50 * MS);
            assert_eq!(verdict, Verdict::Restart(0));
        }
        let verdict = row.judge(&LIMIT, 700 * MS, 50 * MS);
        assert_eq!(verdict, Verdict::TooManyAtAll(6));
        // Later the first ones are forgotten.
        let verdict = row.judge(&LIMIT, BUDGET_NS + 50 * MS, 50 * MS);
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
        let last = (0..100).map(|at| row.judge(&limit, at, 0)).last();
        assert_eq!(last, Some(Verdict::Restart(LONGEST_PAUSE_NS)));
    }
}
