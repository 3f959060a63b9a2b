//! The victims there are, how to start and end them, and what was counted.

use alloc::string::String;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use exchange::Proxy;
use interfaces::stress::Victim;
use runtime::sync::{Condvar, Mutex};
use runtime::time::{Duration, Instant};
use runtime::{
    Audit, BootArchive, DeathCause, DomainControl, DomainState, Image, Start, StartError,
    StartOutcome, log, thread,
};
use tar_no_std::TarArchiveRef;

use crate::Failure;

/// Victims at once.
pub const PLACES: usize = 8;

/// How often a victim is ended whatever it does, so that no loop lasts.
const END: Duration = Duration::from_millis(10);

/// Looks at the audit until it has to stand still, and the pause between.
const LOOKS: u32 = 2_000;
const PAUSE: Duration = Duration::from_millis(5);

/// Bytes of a page frame.
const PAGE_SIZE: u64 = 4096;

/// Equal audits in a row that stand still.
const STANDS_STILL: u32 = 10;

/// A victim that was alive when it was last looked at.
pub struct Living {
    /// Owner id of its domain.
    pub id: u64,
    /// What to call.
    pub proxy: Proxy<dyn Victim>,
}

/// What was counted.
#[derive(Default)]
pub struct Counts {
    /// Calls that came back.
    pub calls: AtomicU64,
    /// Calls whose callee had died or died meanwhile.
    pub dead: AtomicU64,
    /// Victims started.
    pub starts: AtomicU64,
    /// Ends begun by workers.
    pub ends: AtomicU64,
}

/// Everything the workers share.
pub struct Stage {
    control: DomainControl,
    image: Image,
    places: [Mutex<Option<Living>>; PLACES],
    workers_done: Mutex<u64>,
    one_done: Condvar,
    is_wrong: AtomicBool,
    /// What was counted.
    pub counts: Counts,
}

impl Stage {
    /// An empty one.
    pub fn new(control: DomainControl, archive: &BootArchive) -> Result<Self, StartError> {
        let bytes = archive
            .bytes()
            .map_err(|error| StartError::new(format_args!("no boot archive: {error:?}")))?;
        let tar = TarArchiveRef::new(bytes)
            .map_err(|_| StartError::new("the boot archive is no tar file"))?;
        let file = tar
            .entries()
            .find(|entry| entry.filename().as_str() == Ok("images/victim"))
            .ok_or_else(|| StartError::new("the boot archive has no images/victim"))?;
        let image = control.open_image(file.data())?;
        Ok(Self {
            control,
            image,
            places: [const { Mutex::new(None) }; PLACES],
            workers_done: Mutex::new(0),
            one_done: Condvar::new(),
            is_wrong: AtomicBool::new(false),
            counts: Counts::default(),
        })
    }

    /// The right to start and end domains.
    pub const fn control(&self) -> &DomainControl {
        &self.control
    }

    /// Starts a victim.
    pub fn start(&self) -> Result<Living, Failure> {
        let started = self
            .control
            .start(&self.image, Start::new("victim"))
            .map_err(|failure| {
                log::error!("stress: {failure}");
                "a victim does not start"
            })?;
        self.counts.starts.fetch_add(1, Ordering::Relaxed);
        let StartOutcome::Provides(proxy) = started.outcome else {
            return Err("a victim provides nothing");
        };
        let proxy = proxy
            .downcast()
            .map_err(|_| "a victim provides something else")?;
        Ok(Living {
            id: started.id,
            proxy,
        })
    }

    /// Fills all places.
    pub fn set_up(&self) -> Result<(), Failure> {
        *self.workers_done.lock() = 0;
        for place in &self.places {
            *place.lock() = Some(self.start()?);
        }
        Ok(())
    }

    /// Ends what lives, and empties all places.
    pub fn strike(&self) -> Result<(), Failure> {
        for place in &self.places {
            if let Some(living) = place.lock().take() {
                self.end(living.id, DeathCause::Killed);
            }
        }
        if self.is_wrong.load(Ordering::SeqCst) {
            return Err("not everything held");
        }
        Ok(())
    }

    /// Begins a victim's end.
    pub fn end(&self, id: u64, cause: DeathCause) {
        self.counts.ends.fetch_add(1, Ordering::Relaxed);
        // If it is dead already, that is as well.
        let _ = self.control.kill(id, cause);
    }

    /// Another proxy for the victim in a place, and its domain.
    pub fn look(&self, place: usize) -> Option<Living> {
        let living = self.places[place].lock();
        let living = living.as_ref()?;
        Some(Living {
            id: living.id,
            proxy: living.proxy.try_clone().ok()?,
        })
    }

    /// Puts a new victim where the one with this id was, unless somebody did.
    pub fn replace(&self, place: usize, id: u64) -> Result<(), Failure> {
        let mut living = self.places[place].lock();
        if living.as_ref().is_some_and(|living| living.id == id) {
            *living = None;
            *living = Some(self.start()?);
        }
        Ok(())
    }

    /// Notes that something did not hold.
    pub fn is_wrong(&self, what: Failure) {
        log::error!("stress: {what}");
        self.is_wrong.store(true, Ordering::SeqCst);
    }

    /// Notes that a worker has come to its end.
    pub fn worker_done(&self) {
        *self.workers_done.lock() += 1;
        self.one_done.notify_all();
    }

    /// Waits for all workers; ends one victim after the other meanwhile.
    pub fn wait_for_workers(&self, count: u64, until: Instant) -> Result<(), Failure> {
        let mut place = 0;
        loop {
            let done = self.workers_done.lock();
            let (done, _) = self.one_done.wait_timeout(done, END);
            if *done == count {
                return Ok(());
            }
            drop(done);
            if Instant::now() > until {
                return Err("a worker did not come back");
            }
            let id = self.places[place].lock().as_ref().map(|living| living.id);
            if let Some(id) = id {
                self.end(id, DeathCause::Killed);
            }
            place = (place + 1) % PLACES;
        }
    }

    /// What is in use once it stands still and nobody is dying any more. Heaps keep
    /// what they grew by, so the kernel's is left out, and the private memory of whoever
    /// lives.
    pub fn settled(&self) -> Result<Audit, Failure> {
        let (mut last, mut same) = (self.audit()?, 0);
        for _ in 0..LOOKS {
            thread::sleep(PAUSE);
            let now = self.audit()?;
            let stands_still = now == last && !self.is_anybody_dying()?;
            same = if stands_still { same + 1 } else { 0 };
            if same == STANDS_STILL {
                return Ok(now);
            }
            last = now;
        }
        Err("what is in use does not stand still")
    }

    fn is_anybody_dying(&self) -> Result<bool, Failure> {
        let dying = DomainState::Dying as u32;
        let list = self.control.list().map_err(|_| "no list of domains")?;
        Ok(list.iter().any(|domain| domain.state == dying))
    }

    fn audit(&self) -> Result<Audit, Failure> {
        let living = self.control.list().map_err(|_| "no list of domains")?;
        let audit = self.control.audit().map_err(|_| "no audit")?;
        let own: u64 = living.iter().map(|domain| domain.private_bytes).sum();
        Ok(Audit {
            frames: audit.frames - own / PAGE_SIZE,
            kernel_heap_bytes: 0,
            ..audit
        })
    }

    /// Writes down what each domain has.
    pub fn log_domains(&self) {
        for domain in self.control.list().unwrap_or_default() {
            log::error!(
                "stress: {} {:#x}: state {}, {} bytes on the exchange heap, {} threads",
                runtime::name_text(&domain.name),
                domain.id,
                domain.state,
                domain.exchange_bytes,
                domain.threads
            );
        }
    }

    /// What was counted, in words.
    pub fn tally(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counts {
            calls,
            dead,
            starts,
            ends,
        } = &self.counts;
        alloc::format!(
            "{} calls came back, {} found their callee dead, {} victims started, {} ended",
            count(calls),
            count(dead),
            count(starts),
            count(ends)
        )
    }
}
