//! Replaces a running domain by one from another image.
//!
//! New calls wait in the kernel, those under way come to their ends, the old
//! domain hands its state over and ends, the new one starts with the same
//! grants. If it does not start, does not pass its health check or dies soon,
//! the old image is started in its place with the same state.

use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use interfaces::block::BlockDevice;
use interfaces::files::FileSystem;
use interfaces::succession::Stateful;
use interfaces::supervisor::{SupervisorError, UpgradeReport};
use manifest::DeathPolicy;
use runtime::thread::sleep;
use runtime::time::Instant;
use runtime::{AnyProxy, DeathCause, Image};

use crate::policy::Life;
use crate::system::{StartFault, System};

/// Longest wait for calls under way to come to their ends.
const DRAIN_TIME: Duration = Duration::from_millis(200);
/// Time between two looks whether they have.
const DRAIN_LOOK: Duration = Duration::from_micros(50);
/// Longest time for the old domain to end.
const END_TIME: Duration = Duration::from_secs(5);
/// How long a domain may take to hand its state over, or to show that it is healthy.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// Largest sector of a healthy block device.
const SECTOR_MAX: usize = 4096;
/// Time a new image has to work for before it is trusted.
const PROBATION: Duration = Duration::from_millis(500);

impl System {
    /// Replaces the domain `name` by one from a signed image.
    ///
    /// # Errors
    /// [`SupervisorError`]; the old domain runs on, unless it says
    /// `DoesNotStart`.
    pub fn upgrade(
        self: &Arc<Self>,
        name: &str,
        file: &[u8],
    ) -> Result<UpgradeReport, SupervisorError> {
        let index = self.plan.index_of(name).ok_or(SupervisorError::NotFound)?;
        let new = Arc::new(self.control().open_image(file).map_err(|error| {
            log::error!("upgrade of {name}: {error}");
            SupervisorError::BadImage
        })?);
        let old = self.image(index).map_err(|_| SupervisorError::Failed)?;
        check_identity(name, &new, &old)?;
        if new.note().provides != old.note().provides {
            return Err(SupervisorError::OtherInterface);
        }
        let id = self.begin_upgrade(index)?;
        let report = self.replace(index, id, &new, &old);
        if report.is_err() {
            self.entries.lock()[index].is_replaced = false;
            // The policy of every domain that does not start.
            if let DeathPolicy::Restart(limit) | DeathPolicy::Transparent(limit) =
                self.plan.domains[index].on_death
            {
                self.restart_apart(index, limit, Life::default());
            }
        }
        report
    }

    /// As [`System::upgrade`], with an image of the boot archive.
    pub fn upgrade_from_archive(
        self: &Arc<Self>,
        name: &str,
        image: &str,
    ) -> Result<UpgradeReport, SupervisorError> {
        let file = self.archived_image(image);
        self.upgrade(name, file.ok_or(SupervisorError::BadImage)?)
    }

    /// Takes a domain out of the hands of its policy; its owner id.
    fn begin_upgrade(&self, index: usize) -> Result<u64, SupervisorError> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(index).ok_or(SupervisorError::Busy)?;
        if !entry.is_alive || entry.is_replaced || entry.previous.is_some() {
            return Err(SupervisorError::Busy);
        }
        entry.is_replaced = true;
        Ok(entry.id)
    }

    fn replace(
        self: &Arc<Self>,
        index: usize,
        id: u64,
        new: &Arc<Image>,
        old: &Arc<Image>,
    ) -> Result<UpgradeReport, SupervisorError> {
        let name = &self.plan.domains[index].name;
        let began = Instant::now();
        let is_cut_off = !self.hold_and_drain(index, id);
        let has_answered = self.take_state(index, id);
        // It may have died by itself meanwhile; either way it is waited for.
        let _ = self.control().kill(id, DeathCause::Exit);
        let end = self.control().wait_death(Some(id), began + END_TIME);
        end.map_err(|_| SupervisorError::TimedOut)?;
        if !has_answered {
            return Err(SupervisorError::TimedOut);
        }
        let mut is_rolled_back = false;
        if let Err(reason) = self.start_checked(index, new) {
            log::error!("upgrade of {name}: {reason}; going back to the old image");
            is_rolled_back = true;
            self.start_checked(index, old).map_err(|reason| {
                log::error!("upgrade of {name}: the old image fails, too: {reason}");
                SupervisorError::DoesNotStart
            })?;
        }
        let pause = began.elapsed();
        log::info!("upgrade of {name}: calls waited {} µs", pause.as_micros());
        if is_rolled_back {
            self.end_upgrade(index, None);
        } else {
            is_rolled_back = !self.passes_probation(index, new, old);
        }
        Ok(UpgradeReport {
            pause_ns: u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX),
            is_rolled_back: is_rolled_back.into(),
            is_cut_off: is_cut_off.into(),
        })
    }

    /// Makes new calls wait; whether those under way came to their ends.
    fn hold_and_drain(&self, index: usize, id: u64) -> bool {
        {
            let entries = self.entries.lock();
            let object = entries.get(index).and_then(|entry| entry.object.as_ref());
            if let Some(Err(error)) = object.map(|object| self.control().hold(object)) {
                log::warn!("calls cannot be made to wait: {error:?}");
            }
        }
        let deadline = Instant::now() + DRAIN_TIME;
        while self.control().is_called(id) == Ok(true) {
            if Instant::now() > deadline {
                return false;
            }
            sleep(DRAIN_LOOK);
        }
        true
    }

    /// Asks the old domain for its state, and keeps it for the next; whether it
    /// answered.
    fn take_state(self: &Arc<Self>, index: usize, id: u64) -> bool {
        let name = self.plan.domains[index].name.as_str();
        let Some(stateful) = self.entries.lock()[index].stateful.take() else {
            return true;
        };
        let state = self.call_within((name, id), ANSWER_TIME, move || stateful.hand_over());
        let has_answered = state.is_some();
        self.entries.lock()[index].state = state.and_then(|state| state.ok().flatten());
        has_answered
    }

    /// Starts a successor, and lets callers through to it if it is healthy.
    fn start_checked(self: &Arc<Self>, index: usize, image: &Arc<Image>) -> Result<(), String> {
        let started = self
            .launch_within(index, image)
            .map_err(|fault: StartFault| alloc::format!("it does not start: {fault}"))?;
        let id = started.id;
        let name = self.plan.domains[index].name.as_str();
        let object = started.outcome_object();
        let is_healthy = self.call_within((name, id), ANSWER_TIME, move || is_healthy(&object));
        if is_healthy != Some(true) {
            // Dead or not: it must not keep the device.
            let _ = self.control().kill(id, DeathCause::Killed);
            let end = Instant::now() + END_TIME;
            let _ = self.control().wait_death(Some(id), end);
            return Err("it fails its health check".into());
        }
        self.install(index, started);
        Ok(())
    }

    /// Gives a domain back into the hands of its policy, with the image it runs
    /// from now on and the one to go back to; its owner id.
    fn end_upgrade(
        self: &Arc<Self>,
        index: usize,
        images: Option<(&Arc<Image>, &Arc<Image>)>,
    ) -> u64 {
        let id = {
            let mut entries = self.entries.lock();
            // The table is cleared when the system ends.
            let Some(entry) = entries.get_mut(index) else {
                return 0;
            };
            if let Some((new, old)) = images {
                entry.image = Some(Arc::clone(new));
                entry.previous = Some(Arc::clone(old));
            }
            entry.is_replaced = false;
            if entry.mourned == entry.id {
                // It died meanwhile, which nobody has dealt with.
                entry.mourned = 0;
            }
            entry.id
        };
        if let Ok(notice) = self.control().wait_death(Some(id), Instant::now()) {
            self.mourn(&notice);
        }
        id
    }

    /// Watches a new domain for a while. Should it die, its supervision starts
    /// the old image; whether it did not.
    fn passes_probation(
        self: &Arc<Self>,
        index: usize,
        new: &Arc<Image>,
        old: &Arc<Image>,
    ) -> bool {
        let id = self.end_upgrade(index, Some((new, old)));
        if let Ok(notice) = self
            .control()
            .wait_death(Some(id), Instant::now() + PROBATION)
        {
            self.mourn(&notice);
        }
        let mut entries = self.entries.lock();
        let Some(entry) = entries.get_mut(index) else {
            return true;
        };
        entry.state = None;
        entry.previous.take().is_some()
    }
}

/// Checks that an image may take another's place: it is signed for the same role,
/// and does not bring back what a later version has put right.
fn check_identity(name: &str, new: &Image, old: &Image) -> Result<(), SupervisorError> {
    let (expected, found) = (old.identity(), new.identity());
    if found.role != expected.role {
        let (expected, found) = (old.role(), new.role());
        log::error!("upgrade of {name}: the image is signed as a {found}, expected a {expected}");
        return Err(SupervisorError::OtherRole);
    }
    if found.package == expected.package && found.version < expected.version {
        let ([major, minor, patch], latest) = (found.version, expected.version);
        log::error!(
            "upgrade of {name}: version {major}.{minor}.{patch} is older than {}.{}.{}",
            latest[0],
            latest[1],
            latest[2]
        );
        return Err(SupervisorError::OlderVersion);
    }
    Ok(())
}

/// Whether a new domain answers.
fn is_healthy(object: &Option<AnyProxy>) -> bool {
    let Some(object) = object else {
        return true;
    };
    let Ok(object) = object.try_clone() else {
        return false;
    };
    match object.downcast::<dyn BlockDevice>() {
        Ok(device) => {
            // What it says is its own word: it may say gigabytes.
            let mut room = [0; SECTOR_MAX];
            let bytes = device.geometry().map(|geometry| geometry.sector_bytes);
            let sector = room.get_mut(..bytes.unwrap_or_default() as usize);
            sector.is_some_and(|sector| matches!(device.read(0, sector), Ok(Ok(()))))
        }
        Err(object) => match object.downcast::<dyn FileSystem>() {
            Ok(files) => matches!(files.root(), Ok(Ok(_))),
            Err(_) => true,
        },
    }
}
