//! The running system: what was started, from what, and how often.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use exchange::Proxy;
use interfaces::block::BlockDevice;
use interfaces::files::FileSystem;
use interfaces::succession::{RRefState, Stateful};
use interfaces::supervisor::Supervisor;
use manifest::{DeathPolicy, LimitsPlan, SystemPlan};
use runtime::sync::{Condvar, Mutex};
use runtime::time::{Duration, Instant};
use runtime::{
    AnyProxy, DeathCause, DomainControl, Image, ImageError, Limits, ServiceError, Start,
    StartError, StartFailure, StartOutcome, Started,
};

use crate::archive::Archive;
use crate::grants;
use crate::inventory::Inventory;
use crate::policy::Row;
use crate::service::Service;

/// What runs when the system has ended: the kernel and this domain.
pub const OWN: [&str; 2] = ["kernel", "init"];

/// How long a domain may take to end when the system is powered off.
const END_TIME: Duration = Duration::from_secs(5);
/// How long a file system or block device may take to write back what it has.
const WRITE_BACK_TIME: Duration = Duration::from_secs(30);

/// Why a domain could not be started.
#[derive(Debug)]
pub enum StartFault {
    /// The boot archive has no image of that name.
    NoImage(String),
    /// The image was refused.
    Refused(ImageError),
    /// What lies under an image's name is signed as another one.
    OtherImage {
        /// The name.
        name: String,
        /// The one that it is.
        found: String,
    },
    /// A domain it is handed the object of does not run.
    NoProvider(String),
    /// No PCI function matches.
    NoDevice,
    /// The machine has no such host file.
    NoHostFile(String),
    /// No memory for a grant or a thread.
    NoMemory,
    /// Its entry has not come back in time.
    TooLong(Duration),
    /// Its own code or the kernel refused.
    Failed(StartFailure),
}

impl StartFault {
    /// Whether it would have started with more memory.
    pub fn is_want_of_memory(&self) -> bool {
        match self {
            Self::NoMemory => true,
            Self::Failed(failure) => {
                failure.error == ServiceError::NoMemory && failure.cause.is_none()
            }
            _ => false,
        }
    }
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoImage(name) => write!(f, "the boot archive has no image {name}"),
            Self::Refused(error) => error.fmt(f),
            Self::OtherImage { name, found } => {
                write!(f, "images/{name} is signed as image {found:?}")
            }
            Self::NoProvider(name) => write!(f, "{name}, which it needs, does not run"),
            Self::NoDevice => f.write_str("no PCI function matches"),
            Self::NoHostFile(name) => write!(f, "no host file {name} (expected disk, disk1, …)"),
            Self::NoMemory => f.write_str("no memory for its grants"),
            Self::TooLong(limit) => {
                let limit_ms = limit.as_millis();
                write!(
                    f,
                    "its entry has not come back within {limit_ms} ms, and it was ended"
                )
            }
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// One domain of the plan, as it runs.
#[derive(Default)]
pub struct Entry {
    pub image: Option<Arc<Image>>,
    /// The image before, while the present one is on probation.
    pub previous: Option<Arc<Image>>,
    /// It is being replaced: its death is expected.
    pub is_replaced: bool,
    /// Gives its state.
    pub stateful: Option<Proxy<dyn Stateful>>,
    /// What its predecessor handed over.
    pub state: Option<RRefState>,
    /// Owner id of the latest one started; 0: none yet.
    pub id: u64,
    /// That one has not been seen dead.
    pub is_alive: bool,
    /// Owner id of the latest one whose death was dealt with.
    pub mourned: u64,
    /// What it provides. Kept after its death, to redirect its holders.
    pub object: Option<AnyProxy>,
    /// Restarts in all.
    pub restarts: u32,
    /// Restarts as its policy counts them.
    pub row: Row,
    /// When the latest one was started.
    pub started: Option<Instant>,
    /// It stays dead.
    pub is_given_up: bool,
}

/// A system and its supervisor.
pub struct System {
    control: DomainControl,
    archive: Archive,
    pub(crate) plan: SystemPlan,
    pub(crate) entries: Mutex<Vec<Entry>>,
    /// Notified at every start and final death.
    pub(crate) changed: Condvar,
    service: Mutex<Option<Proxy<dyn Supervisor>>>,
    /// The exit status, once the system is to end.
    pub(crate) stopping: Mutex<Option<i32>>,
    /// Notified when `stopping` is set.
    stop: Condvar,
}

impl System {
    /// Reads the plan; starts nothing yet.
    pub fn new(control: DomainControl, archive: Archive) -> Result<Self, StartError> {
        let plan = archive
            .file("plan")
            .ok_or_else(|| StartError::new("the boot archive has no plan"))?;
        let plan = SystemPlan::decode(plan)?;
        let entries = plan.domains.iter().map(|_| Entry::default()).collect();
        Ok(Self {
            control,
            archive,
            plan,
            entries: Mutex::new(entries),
            changed: Condvar::new(),
            service: Mutex::new(None),
            stopping: Mutex::new(None),
            stop: Condvar::new(),
        })
    }

    /// Control over domains.
    pub const fn control(&self) -> &DomainControl {
        &self.control
    }

    /// Starts every domain of the plan in order.
    ///
    /// Then waits until it is asked to end them all.
    pub fn run(self: &Arc<Self>) {
        let before = Inventory::take(&self.control);
        self.start_all();
        let status = self.end_all();
        before.compare(&Inventory::settled(&self.control, &before));
        self.control.power_off(status)
    }

    fn start_all(self: &Arc<Self>) {
        let service = Arc::new(Service::new(Arc::clone(self)));
        *self.service.lock() = Proxy::<dyn Supervisor>::try_export(service).ok();
        let all = self.plan.domains.len();
        let mut started = 0;
        for index in 0..all {
            match self.start_first(index) {
                Ok(()) => started += 1,
                Err(fault) => {
                    log::error!("{} does not start: {fault}", self.plan.domains[index].name);
                    self.give_up(index);
                }
            }
        }
        match started == all {
            true => log::info!("system {} started: {all} domains", self.plan.name),
            false => log::error!(
                "system {} started: {started} of {all} domains",
                self.plan.name
            ),
        }
    }

    /// The supervisor as an object for others.
    pub fn service(&self) -> Result<Proxy<dyn Supervisor>, StartFault> {
        let service = self.service.lock();
        let service = service.as_ref().ok_or(StartFault::NoMemory)?;
        service.try_clone().map_err(|_| StartFault::NoMemory)
    }

    /// Another proxy for what a domain of the plan provides.
    pub fn provided(&self, index: u32) -> Result<AnyProxy, StartFault> {
        let index = index as usize;
        let name = || {
            self.plan
                .domains
                .get(index)
                .map_or_else(String::new, |domain| domain.name.clone())
        };
        let entries = self.entries.lock();
        // A proxy for a dead one is as good: it will be redirected.
        let entry = entries.get(index).filter(|entry| !entry.is_given_up);
        let object = entry.and_then(|entry| entry.object.as_ref());
        let object = object.ok_or_else(|| StartFault::NoProvider(name()))?;
        object.try_clone().map_err(|_| StartFault::NoMemory)
    }

    /// An image of the boot archive, as it is signed.
    pub(crate) fn archived_image(&self, name: &str) -> Option<&'static [u8]> {
        self.archive.file(&alloc::format!("images/{name}"))
    }

    pub(crate) fn image(&self, index: usize) -> Result<Arc<Image>, StartFault> {
        if let Some(image) = &self.entries.lock()[index].image {
            return Ok(Arc::clone(image));
        }
        let name = &self.plan.domains[index].image;
        let file = self
            .archived_image(name)
            .ok_or_else(|| StartFault::NoImage(name.clone()))?;
        let image = self.control.open_image(file).map_err(StartFault::Refused)?;
        let found = runtime::name_text(&image.identity().name);
        if found != name {
            let (name, found) = (name.clone(), found.into());
            return Err(StartFault::OtherImage { name, found });
        }
        let image = Arc::new(image);
        self.entries.lock()[index].image = Some(Arc::clone(&image));
        Ok(image)
    }

    /// Starts a domain of the plan for the first time.
    fn start_first(self: &Arc<Self>, index: usize) -> Result<(), StartFault> {
        let image = self.image(index)?;
        let started = self.launch_within(index, &image)?;
        self.install(index, started);
        Ok(())
    }

    /// Starts a domain of the plan; a successor takes over the holders of the
    /// object its predecessor provided. For a thread that nobody waits for.
    pub(crate) fn start(self: &Arc<Self>, index: usize) -> Result<(), StartFault> {
        let image = self.image(index)?;
        let started = self.launch(index, &image)?;
        self.install(index, started);
        Ok(())
    }

    /// Starts a domain of the plan from an image, and runs its entry on this thread;
    /// nobody calls it yet.
    pub(crate) fn enter(
        self: &Arc<Self>,
        index: usize,
        image: &Image,
    ) -> Result<Started, StartFault> {
        let plan = &self.plan.domains[index];
        let mut start = Start::new(&plan.name);
        start.limits = limits(&plan.limits);
        start.detached = true;
        for grant in &plan.grants {
            if let Some(given) = grants::grant(self, index, grant)? {
                start = start.give(&grant.parameter, given);
            }
        }
        self.control.start(image, start).map_err(StartFault::Failed)
    }

    /// Makes a started domain the one that callers reach.
    pub(crate) fn install(self: &Arc<Self>, index: usize, started: Started) {
        let name = &self.plan.domains[index].name;
        let mut entries = self.entries.lock();
        // The table is cleared when the system ends.
        let Some(entry) = entries.get_mut(index) else {
            return;
        };
        entry.id = started.id;
        entry.is_alive = true;
        entry.started = Some(Instant::now());
        if let StartOutcome::Provides(object) = started.outcome {
            if self.plan.domains[index].is_promised {
                self.control.promise(&object);
            }
            if let Some(old) = entry.object.take()
                && let Err(error) = self.control.redirect(&old, &object)
            {
                log::error!("{name}: its callers keep a dead proxy: {error:?}");
            }
            entry.object = Some(object);
        }
        drop(entries);
        self.changed.notify_all();
        // Its death may have been reported before it was known here.
        if let Ok(notice) = self.control.wait_death(Some(started.id), Instant::now()) {
            self.mourn(&notice);
        }
    }

    /// Id of a domain of the plan that runs.
    pub fn running(&self, name: &str) -> Option<u64> {
        let index = self.plan.index_of(name)?;
        let entries = self.entries.lock();
        entries[index].is_alive.then_some(entries[index].id)
    }

    /// Waits until a domain of the plan runs; whether it does.
    pub fn wait_running(&self, name: &str, limit: Duration) -> bool {
        let Some(index) = self.plan.index_of(name) else {
            return false;
        };
        let mut entries = self.entries.lock();
        let comes_back = self.plan.domains[index].on_death != DeathPolicy::Stop;
        while comes_back && !entries[index].is_alive && !entries[index].is_given_up {
            let (guard, timed_out) = self.changed.wait_timeout(entries, limit);
            entries = guard;
            if timed_out {
                break;
            }
        }
        entries[index].is_alive
    }

    /// Restarts of the domain with this id, and whether it is in the plan.
    pub fn supervision(&self, id: u64) -> (u32, bool) {
        let entries = self.entries.lock();
        let entry = entries.iter().find(|entry| entry.id == id);
        entry.map_or((0, false), |entry| (entry.restarts, true))
    }

    /// Domains of the plan that do not run: index, restarts, and whether they stay
    /// dead.
    pub fn absent(&self) -> Vec<(usize, u32, bool)> {
        let entries = self.entries.lock();
        let absent = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.is_alive && (entry.id != 0 || entry.is_given_up));
        absent
            .map(|(index, entry)| (index, entry.restarts, entry.is_given_up))
            .collect()
    }

    /// Asks for an orderly end of the system with an exit status; returns at
    /// once. The first status counts.
    pub fn power_off(&self, status: i32) {
        self.stopping.lock().get_or_insert(status);
        self.stop.notify_all();
    }

    /// Waits until the system is to end, then ends every domain, last started
    /// first, and forgets all there is of them; the exit status.
    fn end_all(self: &Arc<Self>) -> i32 {
        let mut stopping = self.stopping.lock();
        while stopping.is_none() {
            stopping = self.stop.wait(stopping);
        }
        let status = stopping.unwrap_or_default();
        drop(stopping);
        let all = (0..self.plan.domains.len()).rev();
        let ended: Vec<&str> = all.filter_map(|index| self.end(index)).collect();
        log::info!("ended, dependants first: {}", ended.join(", "));
        self.end_strangers();
        self.entries.lock().clear();
        self.service.lock().take();
        status
    }

    /// Ends what domains of the plan have started and left behind, such as the
    /// processes of a personality that stays dead.
    fn end_strangers(&self) {
        let own = self.control.list().unwrap_or_default();
        let own = own
            .iter()
            .filter(|info| !OWN.contains(&runtime::name_text(&info.name)));
        let strangers: Vec<u64> = own.map(|info| info.id).collect();
        for id in &strangers {
            // It may have ended by itself; either way it is waited for.
            let _ = self.control.kill(*id, DeathCause::Exit);
        }
        let deadline = Instant::now() + END_TIME;
        for id in strangers {
            if self.control.wait_death(Some(id), deadline).is_err() {
                log::error!("a domain that is in no plan does not end");
            }
        }
    }

    /// Ends a domain of the plan, if it runs; its name then.
    fn end(self: &Arc<Self>, index: usize) -> Option<&str> {
        let name = &self.plan.domains[index].name;
        let id = self.running(name)?;
        let object = self.entries.lock()[index]
            .object
            .as_ref()
            .map(AnyProxy::try_clone);
        if let Some(Ok(object)) = object {
            let theirs = name.clone();
            let write_back = move || write_back(&theirs, object);
            self.call_within((name, id), WRITE_BACK_TIME, write_back);
        }
        // It may have died by itself meanwhile; either way it is waited for.
        let _ = self.control.kill(id, DeathCause::Exit);
        let deadline = Instant::now() + END_TIME;
        if self.control.wait_death(Some(id), deadline).is_err() {
            log::error!("{name} does not end");
        }
        Some(name)
    }
}

const fn limits(plan: &LimitsPlan) -> Limits {
    Limits {
        memory_bytes: plan.memory_bytes,
        exchange_bytes: plan.exchange_bytes,
        watchdog_ns: plan.watchdog_ns,
        threads: plan.threads,
        handles: plan.handles,
        log_lines: plan.log_lines,
        cpu_percent: plan.cpu_percent,
    }
}

/// Makes durable what a file system or block device holds back.
fn write_back(name: &str, object: AnyProxy) {
    let done = match object.downcast::<dyn FileSystem>() {
        Ok(files) => matches!(files.finish(), Ok(Ok(()))),
        Err(object) => match object.downcast::<dyn BlockDevice>() {
            Ok(device) => matches!(device.flush(), Ok(Ok(()))),
            Err(_) => true,
        },
    };
    if !done {
        log::error!("{name} could not be synced");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_memory_is_told_from_other_faults() {
        let failed = |error, cause| {
            StartFault::Failed(StartFailure {
                id: 0,
                error,
                cause,
                message: String::new(),
            })
        };
        assert!(StartFault::NoMemory.is_want_of_memory());
        assert!(failed(ServiceError::NoMemory, None).is_want_of_memory());
        assert!(!StartFault::NoDevice.is_want_of_memory());
        assert!(!failed(ServiceError::StartFailed, None).is_want_of_memory());
        let quota = Some(runtime::DeathCause::MemoryQuota);
        assert!(!failed(ServiceError::NoMemory, quota).is_want_of_memory());
    }
}
