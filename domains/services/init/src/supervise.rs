//! What the supervisor does when a domain of the plan dies.
//!
//! Each death is dealt with on a thread of its own: a domain that starts may
//! wait for another that is being restarted.

use alloc::sync::Arc;
use core::time::Duration;

use manifest::{DeathPolicy, GrantSource, RestartLimit};
use runtime::thread::{Priority, sleep, spawn};
use runtime::time::Instant;
use runtime::{DeathCause, DeathNotice};

use crate::policy::{Life, Verdict};
use crate::system::{StartFault, System};

/// Exit status of a system that failed, see `./redleaf run --help`.
const FAILED: i32 = 125;

impl System {
    /// Waits for deaths and does what the plan says about each.
    pub fn watch(self: &Arc<Self>) {
        loop {
            match self.control().wait_death(None, Instant::NEVER) {
                Ok(notice) => self.mourn(&notice),
                Err(error) => log::error!("cannot watch domains: {error:?}"),
            }
        }
    }

    /// Notes that a domain is dead, so that [`System::wait_running`] waits for
    /// its successor.
    pub fn saw_death(&self, id: u64) {
        for entry in self.entries.lock().iter_mut() {
            entry.is_alive &= entry.id != id;
        }
        self.changed.notify_all();
    }

    /// Deals with a death, unless that was done already.
    pub fn mourn(self: &Arc<Self>, notice: &DeathNotice) {
        let Some((index, life)) = self.note_death(notice) else {
            return;
        };
        self.changed.notify_all();
        if self.is_stopping() {
            return self.abandon(index);
        }
        let plan = &self.plan.domains[index];
        let is_exit = notice.cause == DeathCause::Exit as u32;
        match plan.on_death {
            DeathPolicy::Restart(limit) | DeathPolicy::Transparent(limit) if !is_exit => {
                self.restart_apart(index, limit, life);
            }
            _ if is_exit => {}
            _ => self.give_up(index),
        }
    }

    /// The domain of the plan that died and the life it had; `None` if it is none, or
    /// its death has been dealt with.
    fn note_death(&self, notice: &DeathNotice) -> Option<(usize, Life)> {
        let (id, caller) = (notice.id, notice.caller);
        let mut entries = self.entries.lock();
        let is_charged = caller != 0 && entries.iter().all(|entry| entry.id != caller);
        let index = entries.iter().position(|entry| entry.id == id)?;
        let entry = &mut entries[index];
        if entry.mourned == id {
            return None;
        }
        entry.mourned = id;
        entry.is_alive = false;
        if entry.is_replaced {
            // Whoever replaces it sees to it.
            return None;
        }
        if let Some(previous) = entry.previous.take() {
            log::error!(
                "{} died on probation: going back to the old image",
                self.plan.domains[index].name
            );
            entry.image = Some(previous);
        }
        let lived = entry.started.map_or(Duration::ZERO, Instant::elapsed);
        let life = Life {
            lived_ns: u64::try_from(lived.as_nanos()).unwrap_or(u64::MAX),
            is_charged,
        };
        Some((index, life))
    }

    /// As [`System::restart`], on a thread of its own.
    pub(crate) fn restart_apart(self: &Arc<Self>, index: usize, limit: RestartLimit, life: Life) {
        let system = Arc::clone(self);
        let restart = move || system.restart(index, limit, life);
        if spawn("restart", Priority::High, restart).is_err() {
            self.restart(index, limit, life);
        }
    }

    /// Starts a successor, again and again as far as the policy goes.
    fn restart(self: &Arc<Self>, index: usize, limit: RestartLimit, mut life: Life) {
        let name = &self.plan.domains[index].name;
        loop {
            let Some(pause) = self.next_restart(index, limit, life) else {
                return self.escalate(index);
            };
            if !pause.is_zero() {
                log::info!("{name} restarts in {} ms", pause.as_millis());
                sleep(pause);
            }
            if self.is_stopping() {
                return self.abandon(index);
            }
            let before = Instant::now();
            match self.start(index) {
                Ok(()) => {
                    log::info!("{name} restarted in {} µs", before.elapsed().as_micros());
                    return;
                }
                Err(fault @ StartFault::NoProvider(_)) => {
                    log::error!("{name} does not restart: {fault}");
                    return self.escalate(index);
                }
                Err(fault) => {
                    log::error!("{name} does not restart: {fault}");
                    life = Life {
                        lived_ns: 0,
                        is_charged: fault.is_want_of_memory(),
                    };
                }
            }
        }
    }

    /// Counts a restart; the pause before it, `None` when there were enough.
    fn next_restart(&self, index: usize, limit: RestartLimit, life: Life) -> Option<Duration> {
        let mut entries = self.entries.lock();
        // The table is cleared when the system ends.
        let entry = entries.get_mut(index)?;
        let now_ns = Instant::now().nanoseconds();
        let name = &self.plan.domains[index].name;
        match entry.row.judge(&limit, now_ns, life) {
            Verdict::Restart(pause_ns) => {
                entry.restarts += 1;
                return Some(Duration::from_nanos(pause_ns));
            }
            Verdict::TooManyInARow(count) => {
                log::error!("{name} died {count} times in a row and stays dead");
            }
            Verdict::TooManyAtAll(count) => {
                log::error!("{name} died {count} times in 10 s and stays dead");
            }
        }
        None
    }

    /// Leaves a domain dead that cannot be kept alive. The domains that were
    /// handed its object are ended and go the way of their own policies.
    fn escalate(self: &Arc<Self>, index: usize) {
        self.give_up(index);
        let plan = &self.plan.domains[index];
        for dependant in self.dependants(index) {
            let name = &self.plan.domains[dependant].name;
            if let Some(id) = self.running(name) {
                log::error!("{name} is ended: it needs {}", plan.name);
                // It may have died meanwhile, which comes to the same.
                let _ = self.control().kill(id, DeathCause::Killed);
            }
        }
    }

    /// Leaves a domain dead. Who waits for its successor learns that there will
    /// be none.
    pub fn give_up(self: &Arc<Self>, index: usize) {
        let plan = &self.plan.domains[index];
        {
            let mut entries = self.entries.lock();
            let Some(entry) = entries.get_mut(index) else {
                return;
            };
            entry.is_given_up = true;
        }
        self.abandon(index);
        self.changed.notify_all();
        if plan.is_essential {
            log::error!("{} is essential: the system has failed", plan.name);
            self.power_off(FAILED);
        }
    }

    /// Tells those who wait for the successor of a domain that there will be none.
    fn abandon(&self, index: usize) {
        let entries = self.entries.lock();
        // The table is cleared when the system ends.
        let object = entries.get(index).and_then(|entry| entry.object.as_ref());
        if let Some(object) = object {
            self.control().abandon(object);
        }
    }

    /// Whether the system ends: nothing is started any more.
    fn is_stopping(&self) -> bool {
        self.stopping.lock().is_some()
    }

    /// The domains that were handed the object of another.
    fn dependants(&self, index: usize) -> impl Iterator<Item = usize> {
        let needs = move |source: &GrantSource| {
            matches!(source, GrantSource::Domain { index: provider }
                if usize::try_from(*provider) == Ok(index))
        };
        let domains = self.plan.domains.iter().enumerate();
        domains
            .filter(move |(_, domain)| domain.grants.iter().any(|grant| needs(&grant.source)))
            .map(|(dependant, _)| dependant)
    }
}
