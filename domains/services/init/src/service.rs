//! The supervisor as programs see it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use exchange::{Proxy, RpcResult};
use interfaces::supervisor::{
    AuditReport, CrashCause, DomainStatus, EdgeStatus, Injection, InjectionReport, LogPart,
    STATE_WAITING, Supervisor, SupervisorError, TracedCall, UpgradeReport,
};
use runtime::sync::Mutex;
use runtime::time::{Duration, Instant};
use runtime::{DeathCause, DeathNotice, DomainInfo, DomainState, InjectedFault, ServiceError};

use crate::intention::Intention;
use crate::system::{OWN, System};
use crate::tracing::Tracing;

/// How long a domain may take to die of an injected fault.
const DEATH_TIME: Duration = Duration::from_secs(10);

/// How long a domain that is dying may be held by its callers. The caller of
/// this very service may be among them, so that it never ends before the answer.
const HELD_TIME: Duration = Duration::from_secs(1);

/// Time between two looks at it.
const LOOK_TIME: Duration = Duration::from_millis(50);

/// How long an injected endless loop is left to run before it is ended.
pub(crate) const LOOP_TIME: Duration = Duration::from_millis(20);

/// How long a device may take to come to an occasion for its fault.
const DEVICE_TIME: Duration = Duration::from_secs(1);

/// The object that programs call.
pub struct Service {
    /// Whether who has it may change something.
    may_administer: bool,
    pub(crate) system: Arc<System>,
    tracing: Tracing,
    /// Held by whoever has a list of all there is, which may be long: many callers
    /// at once would take all of the supervisor's memory.
    listing: Mutex<()>,
    /// What observers get, made for the first: one for all, since what is exported
    /// counts as the supervisor's, however many ask.
    observer: Mutex<Option<Proxy<dyn Supervisor>>>,
}

impl Service {
    /// A service of this system, for administrators.
    pub const fn new(system: Arc<System>) -> Self {
        Self::with_authority(system, true)
    }

    const fn with_authority(system: Arc<System>, may_administer: bool) -> Self {
        Self {
            may_administer,
            system,
            tracing: Tracing::new(),
            listing: Mutex::new(()),
            observer: Mutex::new(None),
        }
    }

    /// A proxy of the object for observers; it counts as that of who gets it.
    fn observing(&self) -> Result<Proxy<dyn Supervisor>, SupervisorError> {
        let mut observer = self.observer.lock();
        let observer = match &mut *observer {
            Some(observer) => observer,
            none => {
                let service = Self::with_authority(Arc::clone(&self.system), false);
                let service: Arc<dyn Supervisor> = Arc::new(service);
                let exported = Proxy::try_export(service);
                none.insert(exported.map_err(|_| SupervisorError::Failed)?)
            }
        };
        observer.try_clone().map_err(|_| SupervisorError::Failed)
    }

    /// Does what only administrators may.
    fn administer<T>(
        &self,
        act: impl FnOnce() -> Result<T, SupervisorError>,
    ) -> RpcResult<Result<T, SupervisorError>> {
        Ok(match self.may_administer {
            true => act(),
            false => Err(SupervisorError::NotAllowed),
        })
    }

    /// Ends a domain by id, but not what everything else stands on.
    fn kill_by_id(&self, id: u64) -> Result<(), SupervisorError> {
        let control = self.system.control();
        let all = control.list().map_err(|_| SupervisorError::Failed)?;
        let found = all.iter().find(|info| info.id == id);
        let found = found.ok_or(SupervisorError::NotFound)?;
        let name = runtime::name_text(&found.name);
        if OWN.contains(&name) {
            log::warn!("kill refused: nobody may end {name}");
            return Err(SupervisorError::NotAllowed);
        }
        control.kill(id, DeathCause::Killed).map_err(refusal)
    }

    pub(crate) fn find(&self, name: &str) -> Result<u64, SupervisorError> {
        if OWN.contains(&name) {
            log::warn!("nobody may crash {name}");
            return Err(SupervisorError::NotAllowed);
        }
        let running = self.system.running(name);
        if let Some(id) = running {
            return Ok(id);
        }
        let all = self
            .system
            .control()
            .list()
            .map_err(|_| SupervisorError::Failed)?;
        let found = all
            .iter()
            .find(|info| runtime::name_text(&info.name) == name);
        found.map(|info| info.id).ok_or(SupervisorError::NotFound)
    }

    fn crash(&self, name: &str, cause: CrashCause) -> Result<(), SupervisorError> {
        let id = self.find(name)?;
        let control = self.system.control();
        let requested = Instant::now();
        if cause.is_of_device() {
            // What its driver makes of it is the driver's.
            control
                .inject_within(id, fault_of(cause), DEVICE_TIME, requested.nanoseconds())
                .map_err(refusal)?;
            return Ok(());
        }
        let is_loop = cause == CrashCause::EndlessLoop;
        let end = is_loop
            .then(|| self.system.end_in(id, LOOP_TIME))
            .map(|end| end.ok_or(SupervisorError::Failed))
            .transpose()?;
        match control.inject(id, fault_of(cause)) {
            // We were so slow that the loop's end came before the loop.
            Err(ServiceError::NotFound | ServiceError::Dead)
                if end.as_ref().is_some_and(Intention::is_done) => {}
            answer => answer.map_err(refusal)?,
        }
        let ended = self.wait_death(id);
        let passed_ms = requested.elapsed().as_millis();
        self.system.saw_death(id);
        ended?;
        log::info!("{name} ended {passed_ms} ms after the request");
        Ok(())
    }

    pub(crate) fn wait_death(&self, id: u64) -> Result<DeathNotice, SupervisorError> {
        let control = self.system.control();
        let deadline = Instant::now() + DEATH_TIME;
        let mut dying_since = None;
        while Instant::now() < deadline {
            if let Ok(notice) = control.wait_death(Some(id), Instant::now() + LOOK_TIME) {
                return Ok(notice);
            }
            let all = control.list().unwrap_or_default();
            let is_dying = all
                .iter()
                .any(|info| info.id == id && info.state == DomainState::Dying as u32);
            if is_dying && dying_since.get_or_insert_with(Instant::now).elapsed() > HELD_TIME {
                break;
            }
        }
        Err(SupervisorError::TimedOut)
    }
}

/// The kernel's name for a cause.
pub const fn fault_of(cause: CrashCause) -> InjectedFault {
    match cause {
        CrashCause::Kill => InjectedFault::Kill,
        CrashCause::Panic => InjectedFault::Panic,
        CrashCause::NullDereference => InjectedFault::NullDereference,
        CrashCause::StackOverflow => InjectedFault::StackOverflow,
        CrashCause::EndlessLoop => InjectedFault::EndlessLoop,
        CrashCause::IllegalInstruction => InjectedFault::IllegalInstruction,
        CrashCause::WildWrite => InjectedFault::WildWrite,
        CrashCause::AllocationFailure => InjectedFault::AllocationFailure,
        CrashCause::WrongCompletion => InjectedFault::WrongCompletion,
        CrashCause::LostInterrupt => InjectedFault::LostInterrupt,
        CrashCause::WildAlias => InjectedFault::WildAlias,
        CrashCause::WildConstants => InjectedFault::WildConstants,
        CrashCause::WildTable => InjectedFault::WildTable,
    }
}

/// A refusal of the kernel, as callers are told.
pub const fn refusal(error: ServiceError) -> SupervisorError {
    match error {
        ServiceError::NotFound | ServiceError::Dead => SupervisorError::NotFound,
        ServiceError::BadImage => SupervisorError::BadImage,
        ServiceError::TimedOut => SupervisorError::TimedOut,
        ServiceError::Busy => SupervisorError::Busy,
        ServiceError::Unsupported => SupervisorError::NoSuchDevice,
        _ => SupervisorError::Failed,
    }
}

impl Supervisor for Service {
    fn authorize(&self) -> RpcResult<Result<(), SupervisorError>> {
        self.administer(|| Ok(()))
    }

    fn observer(&self) -> RpcResult<Result<Proxy<dyn Supervisor>, SupervisorError>> {
        if !self.may_administer {
            return Ok(Err(SupervisorError::NotAllowed));
        }
        Ok(self.observing())
    }

    fn domains(&self, list: &mut [DomainStatus]) -> RpcResult<u64> {
        let _turn = self.listing.lock();
        let Ok(all) = self.system.control().list() else {
            return Ok(0);
        };
        let running = all.iter().map(|info| status(&self.system, info));
        let absent = self.system.absent();
        let absent = absent.into_iter().map(|(index, restarts, is_given_up)| {
            let plan = &self.system.plan.domains[index];
            absent_status(&plan.name, restarts, is_given_up)
        });
        let absent = absent.filter(|one| all.iter().all(|info| info.name != one.name));
        let everything: Vec<DomainStatus> = running.chain(absent).collect();
        for (place, one) in list.iter_mut().zip(&everything) {
            *place = *one;
        }
        Ok(everything.len() as u64)
    }

    fn crash(&self, name: &str, cause: CrashCause) -> RpcResult<Result<(), SupervisorError>> {
        self.administer(|| self.crash(name, cause))
    }

    fn inject(
        &self,
        name: &str,
        injection: Injection,
    ) -> RpcResult<Result<InjectionReport, SupervisorError>> {
        self.administer(|| self.strike(name, injection))
    }

    fn kill(&self, id: u64) -> RpcResult<Result<(), SupervisorError>> {
        self.administer(|| self.kill_by_id(id))
    }

    fn wait_running(&self, name: &str, timeout_ns: u64) -> RpcResult<Result<(), SupervisorError>> {
        let runs = self
            .system
            .wait_running(name, Duration::from_nanos(timeout_ns));
        Ok(if runs {
            Ok(())
        } else {
            Err(SupervisorError::TimedOut)
        })
    }

    fn upgrade(
        &self,
        name: &str,
        image: &[u8],
    ) -> RpcResult<Result<UpgradeReport, SupervisorError>> {
        self.administer(|| self.system.upgrade(name, image))
    }

    fn upgrade_from_archive(
        &self,
        name: &str,
        image: &str,
    ) -> RpcResult<Result<UpgradeReport, SupervisorError>> {
        self.administer(|| self.system.upgrade_from_archive(name, image))
    }

    fn log(&self, from: u64, into: &mut [u8]) -> RpcResult<LogPart> {
        let read = self.system.control().read_log(from, into);
        let (length, next) = read.unwrap_or((0, from));
        let length = length as u64;
        Ok(LogPart { length, next })
    }

    fn crash_record(&self, sequence: u64, into: &mut [u8]) -> RpcResult<u64> {
        // Into the caller's memory at once: many may read at the same time.
        let length = self.system.control().crash_record(sequence, into);
        Ok(length.unwrap_or(0).min(into.len()) as u64)
    }

    fn edges(&self, list: &mut [EdgeStatus]) -> RpcResult<u64> {
        let _turn = self.listing.lock();
        let edges = self.system.control().edges().unwrap_or_default();
        for (place, edge) in list.iter_mut().zip(&edges) {
            *place = EdgeStatus {
                caller: edge.caller,
                callee: edge.callee,
                interface: edge.fingerprint,
                calls: edge.calls,
                errors: edge.errors,
                samples: edge.samples,
                median_ns: edge.median_ns,
                p99_ns: edge.p99_ns,
                max_ns: edge.max_ns,
            };
        }
        Ok(edges.len() as u64)
    }

    fn set_sampling(&self, one_in: u32) -> RpcResult<Result<(), SupervisorError>> {
        self.administer(|| self.system.control().set_sampling(one_in).map_err(refusal))
    }

    fn start_trace(&self, name: &str) -> RpcResult<Result<(), SupervisorError>> {
        self.administer(|| {
            self.tracing.start(self.system.control(), || {
                if name.is_empty() {
                    return Ok(None);
                }
                self.find(name).map(Some)
            })
        })
    }

    fn finish_trace(&self) -> RpcResult<u64> {
        Ok(self.tracing.finish())
    }

    fn traced_calls(&self, from: u64, into: &mut [TracedCall]) -> RpcResult<u64> {
        Ok(self.tracing.copy(from, into))
    }

    fn audit(&self) -> RpcResult<AuditReport> {
        let audit = self.system.control().audit().unwrap_or_default();
        Ok(AuditReport {
            frames: audit.frames,
            exchange_objects: audit.exchange_objects,
            threads: audit.threads,
            interrupts: audit.interrupts,
            mappings: audit.mappings,
            domains: audit.domains,
            exports: audit.exports,
            kernel_heap_bytes: audit.kernel_heap_bytes,
        })
    }

    fn power_off(&self, status: u32) -> RpcResult<Result<(), SupervisorError>> {
        let status = i32::try_from(status).unwrap_or(i32::MAX);
        self.administer(|| {
            self.system.power_off(status);
            Ok(())
        })
    }
}

/// What is said of a domain of the plan that does not run.
fn absent_status(name: &str, restarts: u32, is_given_up: bool) -> DomainStatus {
    let mut text = [0; 32];
    let length = name.len().min(text.len() - 1);
    text[..length].copy_from_slice(&name.as_bytes()[..length]);
    DomainStatus {
        id: 0,
        name: text,
        state: if is_given_up {
            DomainState::Dead as u32
        } else {
            STATE_WAITING
        },
        threads: 0,
        private_bytes: 0,
        exchange_bytes: 0,
        calls: 0,
        cpu_ns: 0,
        bounces: 0,
        device_waits: 0,
        restarts,
        supervised: 1,
    }
}

fn status(system: &System, info: &DomainInfo) -> DomainStatus {
    let (restarts, supervised) = system.supervision(info.id);
    DomainStatus {
        id: info.id,
        name: info.name,
        state: info.state,
        threads: info.threads,
        private_bytes: info.private_bytes,
        exchange_bytes: info.exchange_bytes,
        calls: info.calls,
        cpu_ns: info.cpu_ns,
        bounces: info.bounces,
        device_waits: info.device_waits,
        restarts,
        supervised: u32::from(supervised),
    }
}
