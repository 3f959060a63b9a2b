//! Answers that the supervisor waits for: for none without an end.
//!
//! What does not answer in time is ended: then the call into it comes back.

use alloc::sync::Arc;

use runtime::DeathCause;
use runtime::thread::{Priority, spawn};
use runtime::time::Duration;

use crate::intention::Intention;
use crate::system::System;

impl System {
    /// Ends a domain after a time, unless what this returns is dropped before. On a
    /// thread that is made before, and of high priority: what loops may leave others no
    /// CPU. `None`: there can be no such thread.
    pub(crate) fn end_in(self: &Arc<Self>, id: u64, delay: Duration) -> Option<Intention> {
        let system = Arc::clone(self);
        let intention = Intention::new();
        let plan = intention.plan();
        let end = move || {
            plan.carry_out_in(delay, || {
                // It may have ended otherwise.
                let _ = system.control().kill(id, DeathCause::Watchdog);
            });
        };
        spawn("end", Priority::High, end).ok().map(|_| intention)
    }

    /// Calls into a domain that has so long to answer. `None`: it did not, and has
    /// ended, or memory is too short for a look at the time.
    pub(crate) fn call_within<T>(
        self: &Arc<Self>,
        (name, id): (&str, u64),
        limit: Duration,
        call: impl FnOnce() -> T,
    ) -> Option<T> {
        let end = self.end_in(id, limit)?;
        let answer = call();
        if end.is_done() {
            let limit_ms = limit.as_millis();
            log::error!("{name} has not answered within {limit_ms} ms, and was ended");
            return None;
        }
        Some(answer)
    }
}
