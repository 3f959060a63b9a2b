//! Whom pages are charged to: every frame that is taken for a domain's sake.
//!
//! One quota, `memory`, is for all that a domain has without others knowing: its
//! private heap, its instance of its image, memory shared with devices, images that
//! it opened and arguments that wait for it. What changes owners or has a limit of
//! its own (exchange objects, stacks, proxies) is counted in [`crate::limits`].

use core::sync::atomic::{AtomicU64, Ordering};

use abi::PAGE_SIZE;
use abi::limits::Limits;

use crate::domain::Domain;
use crate::tally::Tally;

/// Pages when nothing else is said.
const DEFAULT_QUOTA_PAGES: u64 = (64 << 20) / PAGE_SIZE as u64;

/// The pages a domain may have, and those it has.
#[derive(Debug)]
pub(crate) struct Account {
    charged: Tally,
    quota: AtomicU64,
}

impl Account {
    /// Nobody's.
    pub(crate) const fn new() -> Self {
        Self {
            charged: Tally::new(),
            quota: AtomicU64::new(0),
        }
    }

    /// Begins that of a new domain, which has `pages` from the start.
    pub(crate) fn begin(&self, generation: u64, limits: &Limits, pages: usize) {
        self.charged.begin(generation);
        self.charged.add(generation, pages as u64);
        self.quota.store(quota(limits), Ordering::Relaxed);
    }

    /// Leaves nothing to be charged.
    pub(crate) fn exhaust(&self) {
        self.quota.store(0, Ordering::Relaxed);
    }

    fn take(&self, generation: u64, pages: usize) -> bool {
        let quota = self.quota.load(Ordering::Relaxed);
        self.charged.add_within(generation, pages as u64, quota)
    }

    /// Gives back what [`Charge::keep`] left charged.
    pub(crate) fn give_back(&self, generation: u64, pages: usize) {
        self.charged.take(generation, pages as u64);
    }
}

fn quota(limits: &Limits) -> u64 {
    match limits.memory_bytes / PAGE_SIZE as u64 {
        0 => DEFAULT_QUOTA_PAGES,
        pages => pages,
    }
}

/// Whether a new domain may have so many pages from the start.
pub(crate) fn fits(limits: &Limits, pages: usize) -> bool {
    pages as u64 <= quota(limits)
}

/// Pages that a domain pays for until this is dropped, or the domain is dead.
pub(crate) struct Charge {
    domain: &'static Domain,
    generation: u64,
    pages: usize,
}

impl Charge {
    /// Charges a domain; `None`: that is more than its quota. The kernel has none.
    pub(crate) fn new(domain: &'static Domain, pages: usize) -> Option<Self> {
        let generation = domain.generation();
        let is_paid = domain.is_kernel() || domain.account.take(generation, pages);
        is_paid.then_some(Self {
            domain,
            generation,
            pages,
        })
    }

    /// As [`Charge::new`], for so many bytes in whole pages.
    pub(crate) fn for_bytes(domain: &'static Domain, bytes: usize) -> Option<Self> {
        Self::new(domain, bytes.div_ceil(PAGE_SIZE))
    }

    /// Leaves the pages charged: [`Account::give_back`] is for who keeps them.
    pub(crate) fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.domain.account.give_back(self.generation, self.pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(pages: u64) -> Limits {
        Limits {
            memory_bytes: pages * PAGE_SIZE as u64,
            ..Limits::DEFAULT
        }
    }

    fn account(pages: u64, of_image: usize) -> Account {
        let account = Account::new();
        account.begin(1, &limits(pages), of_image);
        account
    }

    #[test]
    fn no_page_more_than_the_quota_is_charged() {
        let account = account(10, 4);
        assert!(account.take(1, 6));
        assert!(!account.take(1, 1));
        assert!(account.take(1, 0));
        account.give_back(1, 2);
        assert!(!account.take(1, 3));
        // So many that the sum has no number.
        assert!(!account.take(1, usize::MAX));
        assert!(account.take(1, 2));
    }

    #[test]
    fn an_image_that_is_larger_than_the_quota_does_not_fit() {
        assert!(!fits(&limits(10), 11));
        assert!(fits(&limits(10), 10));
        // 0 stands for the default.
        assert!(fits(&limits(0), 11));
    }

    #[test]
    fn what_a_dead_domain_left_charged_is_not_its_successors() {
        let account = account(10, 0);
        assert!(account.take(1, 10));
        account.begin(2, &limits(10), 0);
        assert!(account.take(2, 10));
        // Dropped late.
        account.give_back(1, 10);
        assert!(!account.take(2, 1));
    }

    #[test]
    fn nothing_is_left_once_it_is_exhausted() {
        let account = account(10, 3);
        account.exhaust();
        assert!(!account.take(1, 1));
    }
}
