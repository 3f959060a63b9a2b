//! Something that is to be done later, unless nobody wants it any more.

use alloc::sync::Arc;

use runtime::sync::{Condvar, Mutex};
use runtime::time::{Duration, Instant};

/// What is wanted, until this is dropped.
pub struct Intention(Arc<Shared>);

/// The same, for who is to do it.
pub struct Plan(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// It is given up.
    changed: Condvar,
}

/// What has become of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Wanted,
    Done,
    GivenUp,
}

impl Intention {
    /// Something is wanted.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::Wanted),
            changed: Condvar::new(),
        }))
    }

    /// For who is to do it.
    pub fn plan(&self) -> Plan {
        Plan(Arc::clone(&self.0))
    }

    /// Whether it was done.
    pub fn is_done(&self) -> bool {
        *self.0.state.lock() == State::Done
    }
}

impl Drop for Intention {
    /// On return it is done, or will not be.
    fn drop(&mut self) {
        *self.0.state.lock() = State::GivenUp;
        self.0.changed.notify_one();
    }
}

impl Plan {
    /// Does it after a time, unless it is given up before.
    pub fn carry_out_in(&self, delay: Duration, deed: impl FnOnce()) {
        let deadline = Instant::now() + delay;
        let mut state = self.0.state.lock();
        while *state == State::Wanted && Instant::now() < deadline {
            let left = deadline - Instant::now();
            state = self.0.changed.wait_timeout(state, left).0;
        }
        drop(state);
        self.carry_out(deed);
    }

    /// Does it, if it is still wanted, once.
    fn carry_out(&self, deed: impl FnOnce()) {
        let mut state = self.0.state.lock();
        if *state == State::Wanted {
            deed();
            *state = State::Done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Intention;

    #[test]
    fn what_nobody_wants_any_more_is_not_done() {
        let intention = Intention::new();
        let plan = intention.plan();
        assert!(!intention.is_done());
        drop(intention);
        plan.carry_out(|| unreachable!("given up"));
    }

    #[test]
    fn what_is_wanted_is_done_once() {
        let intention = Intention::new();
        let plan = intention.plan();
        let mut done = 0;
        plan.carry_out(|| done += 1);
        assert!(intention.is_done());
        plan.carry_out(|| done += 1);
        assert_eq!(done, 1);
    }
}
