//! Deaths that jobs are charged with: of domains that died on their threads.
//!
//! A call that kills whoever it is made to is given up, but a program can make it over and
//! over. It would use up how often a service is started again, and nobody else had that
//! service any more: so the job ends before.

use alloc::collections::VecDeque;

/// Deaths within [`WINDOW_NS`] that end a job. Less than what any service survives in a
/// row.
pub const DEATHS_MAX: usize = 6;

/// How long a death counts.
const WINDOW_NS: u64 = 10_000_000_000;

/// The deaths that count.
#[derive(Debug, Default)]
pub struct Charges {
    /// When each was and whose, oldest first.
    recent: VecDeque<(u64, u32)>,
}

impl Charges {
    /// Charges a job with a death; whether it has caused as many as it may.
    pub fn add(&mut self, job: u32, died_ns: u64) -> bool {
        let oldest_ns = died_ns.saturating_sub(WINDOW_NS);
        self.recent.retain(|(time_ns, _)| *time_ns >= oldest_ns);
        self.recent.push_back((died_ns, job));
        let own = self.recent.iter().filter(|(_, whose)| *whose == job);
        own.count() >= DEATHS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_ends_with_the_deaths_of_ten_seconds() {
        let mut charges = Charges::default();
        for death in 1..=20 {
            let is_over = charges.add(7, death);
            assert_eq!(is_over, death >= DEATHS_MAX as u64);
        }
        assert!(!charges.add(7, 21 + WINDOW_NS), "they are forgotten");
    }

    #[test]
    fn others_are_not_charged() {
        let mut charges = Charges::default();
        for death in 0..DEATHS_MAX as u64 - 1 {
            assert!(!charges.add(7, death));
            assert!(!charges.add(8, death));
        }
        assert!(charges.add(8, 100));
    }
}
