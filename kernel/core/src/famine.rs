//! Memory that runs out on purpose: the n-th time that a domain asks for some.
//!
//! The option `starve=NAME` is for tests. Of the domains that are started under that
//! name (up to a dot), the first one's first request for kernel memory fails, the
//! second one's second, and so on; of those with an even number, all further ones,
//! too. `starve=NAME:N` begins with the N-th. What is set aside for what cannot stop
//! half-way ([`crate::heap::SetAside`]) is asked for once, when it is set aside.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::domain::Domain;
use crate::record::name_text;
use crate::{heap, machine};

static IS_ON: AtomicBool = AtomicBool::new(false);

/// Domains of that name so far, and those before the first.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// Which of a domain's requests fail.
#[derive(Debug)]
pub struct Famine {
    /// Number of the first one, 1 at least; 0: none does.
    first: AtomicU64,
    asked: AtomicU64,
}

impl Famine {
    /// None.
    pub const fn new() -> Self {
        Self {
            first: AtomicU64::new(0),
            asked: AtomicU64::new(0),
        }
    }

    fn begin(&self, first: u64) {
        self.first.store(first, Ordering::Relaxed);
        self.asked.store(0, Ordering::Relaxed);
    }

    /// Whether the request that is made now fails.
    fn strikes(&self) -> bool {
        let first = self.first.load(Ordering::Relaxed);
        if first == 0 {
            return false;
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        number == first || (number > first && first.is_multiple_of(2))
    }
}

/// What stands in the option behind `starve=`: a name, and with which number to begin.
fn parse(value: &str) -> (&str, u64) {
    let (name, first) = value.split_once(':').unwrap_or((value, "1"));
    (name, first.parse().unwrap_or(1))
}

/// Looks whether the option is given.
pub fn init() {
    let first = machine::get_option("starve=").map(|value| parse(value).1);
    if let Some(first) = first {
        STARTED.store(first.saturating_sub(1), Ordering::Relaxed);
        IS_ON.store(true, Ordering::Relaxed);
    }
}

/// A domain of that name is about to live.
pub fn begin(domain: &Domain, name: &str) {
    let wanted = machine::get_option("starve=").map(|value| parse(value).0);
    let is_meant = wanted.is_some() && name.split('.').next() == wanted;
    let first = match is_meant && IS_ON.load(Ordering::Relaxed) {
        true => STARTED.fetch_add(1, Ordering::Relaxed) + 1,
        false => 0,
    };
    domain.famine().begin(first);
}

/// Whether the current domain's request for memory fails, which it makes now.
#[inline]
pub fn strikes() -> bool {
    IS_ON.load(Ordering::Relaxed) && heap::asker().is_some_and(|domain| domain.famine().strikes())
}

/// Says in the log how often a domain asked that is dead now.
pub fn report(domain: &Domain) {
    let famine = domain.famine();
    let first = famine.first.swap(0, Ordering::Relaxed);
    let asked = famine.asked.load(Ordering::Relaxed);
    if first == 0 {
        return;
    }
    let name = domain.with(|body| body.name);
    let name = name_text(&name);
    match asked >= first {
        true => {
            log::info!("starve: {name} asked for memory {asked} times, in vain from the {first}.")
        }
        false => log::info!("starve: {name} asked for memory {asked} times and got it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(first: u64) -> [bool; 5] {
        let famine = Famine::new();
        famine.begin(first);
        [(); 5].map(|()| famine.strikes())
    }

    #[test]
    fn one_request_fails_or_all_from_it_on() {
        assert_eq!(answers(0), [false; 5]);
        assert_eq!(answers(3), [false, false, true, false, false]);
        assert_eq!(answers(4), [false, false, false, true, true]);
        assert_eq!(answers(9), [false; 5]);
    }

    #[test]
    fn the_option_names_a_domain_and_maybe_a_number() {
        assert_eq!(parse("crashme"), ("crashme", 1));
        assert_eq!(parse("crashme:17"), ("crashme", 17));
        assert_eq!(parse("crashme:x"), ("crashme", 1));
    }
}
