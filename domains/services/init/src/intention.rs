//! Something that is to be done later, unless nobody wants it any more.

use alloc::sync::Arc;

use runtime::sync::Mutex;

/// What is wanted, until this is dropped.
pub struct Intention(Arc<Mutex<bool>>);

/// The same, for who is to do it.
pub struct Plan(Arc<Mutex<bool>>);

impl Intention {
    /// Something is wanted.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(true)))
    }

    /// For who is to do it.
    pub fn plan(&self) -> Plan {
        Plan(Arc::clone(&self.0))
    }
}

impl Drop for Intention {
    /// On return it is done, or will not be.
    fn drop(&mut self) {
        *self.0.lock() = false;
    }
}

impl Plan {
    /// Does it, if it is still wanted.
    pub fn carry_out(&self, deed: impl FnOnce()) {
        let is_wanted = self.0.lock();
        if *is_wanted {
            deed();
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
        let mut done = 0;
        plan.carry_out(|| done += 1);
        drop(intention);
        plan.carry_out(|| done += 1);
        assert_eq!(done, 1);
    }
}
