//! Faults on purpose, from the order to the successor.

use alloc::vec::Vec;

use interfaces::supervisor::{CrashCause, Injection, InjectionReport, SupervisorError};
use manifest::DeathPolicy;
use runtime::time::{Duration, Instant};
use runtime::{DeathNotice, ServiceError};

use crate::intention::Intention;
use crate::service::{LOOP_TIME, Service, fault_of, refusal};

/// How long a driver whose device went wrong may take to notice.
const NOTICE_TIME: Duration = Duration::from_millis(50);

/// How long threads of a dead domain may take to their ends.
const END_TIME: Duration = Duration::from_millis(100);

/// How long a successor may take.
const SUCCESSOR_TIME: Duration = Duration::from_secs(10);

impl Service {
    /// Injects a fault and sees it through.
    pub fn strike(
        &self,
        name: &str,
        injection: Injection,
    ) -> Result<InjectionReport, SupervisorError> {
        let id = self.find(name)?;
        let others = self.others(id);
        let fault = fault_of(injection.cause);
        let within = Duration::from_nanos(injection.within_ns);
        let control = self.system.control();
        let is_loop = injection.cause == CrashCause::EndlessLoop && !self.is_watched(name);
        let end = is_loop
            .then(|| self.system.end_in(id, within + LOOP_TIME))
            .map(|end| end.ok_or(SupervisorError::Failed))
            .transpose()?;
        let was_at_work = match control.inject_within(id, fault, within, injection.seed) {
            // We were so slow that the loop's end came before the loop.
            Err(ServiceError::NotFound | ServiceError::Dead)
                if end.as_ref().is_some_and(Intention::is_done) =>
            {
                false
            }
            answer => answer.map_err(refusal)?,
        };
        let mut report = InjectionReport {
            id,
            was_at_work: was_at_work.into(),
            ..InjectionReport::default()
        };
        if let Some(notice) = self.see_death(id, injection.cause)? {
            self.system.saw_death(id);
            report.has_died = 1;
            report.death_cause = notice.cause;
            report.leftovers = self.leftovers(id)?;
            if let Some(recovery_ns) = self.see_successor(name, &notice) {
                report.runs_again = 1;
                report.recovery_ns = recovery_ns;
            }
        }
        let alive = self.others(id);
        let has_gone = |other: &&u64| !alive.contains(other);
        report.others_died = u32::try_from(others.iter().filter(has_gone).count()).unwrap_or(0);
        Ok(report)
    }

    /// Ids of the domains of the plan that run, but for one.
    fn others(&self, id: u64) -> Vec<u64> {
        let entries = self.system.entries.lock();
        let others = entries.iter().filter(|one| one.is_alive && one.id != id);
        others.map(|one| one.id).collect()
    }

    /// Waits until the domain is dead; `None` if it outlives its device's fault.
    fn see_death(
        &self,
        id: u64,
        cause: CrashCause,
    ) -> Result<Option<DeathNotice>, SupervisorError> {
        let control = self.system.control();
        if cause.is_of_device() {
            return Ok(control
                .wait_death(Some(id), Instant::now() + NOTICE_TIME)
                .ok());
        }
        self.wait_death(id).map(Some)
    }

    /// Whether a domain has a watchdog, which ends it without our help.
    fn is_watched(&self, name: &str) -> bool {
        let plan = self.system.plan.domain(name);
        plan.is_some_and(|plan| plan.limits.watchdog_ns != 0)
    }

    /// What is left of a dead domain. Its threads, which are out of it when it is
    /// dead, may need a moment to their own ends.
    fn leftovers(&self, id: u64) -> Result<u64, SupervisorError> {
        let deadline = Instant::now() + END_TIME;
        loop {
            let left = self.system.control().leftovers(id).map_err(refusal)?;
            if left == 0 || Instant::now() > deadline {
                return Ok(left);
            }
            runtime::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the successor; how long after the death callers reached it.
    fn see_successor(&self, name: &str, notice: &DeathNotice) -> Option<u64> {
        let index = self.system.plan.index_of(name)?;
        let comes_back = self.system.plan.domains[index].on_death != DeathPolicy::Stop;
        if !comes_back || !self.system.wait_running(name, SUCCESSOR_TIME) {
            return None;
        }
        let entries = self.system.entries.lock();
        let started = entries.get(index)?.started?;
        Some(started.nanoseconds().saturating_sub(notice.begun_ns))
    }
}
