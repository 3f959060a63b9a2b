//! The table of domains: what the kernel keeps for each.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::death::DeathCause;
use abi::exchange::ProxyObject;
use abi::grant::{Grant, GrantKind};
use abi::limits::Limits;
use abi::note::Name;
use abi::role::Role;
use abi::services::{DeathNotice, DomainInfo, DomainState};
use abi::thread::{DomainSlot, height_of};
use abi::{PAGE_SIZE, protection};

use crate::charge::{self, Account, Charge};
use crate::export::Returned;
use crate::famine::{self, Famine};
use crate::heap::{self, SetAside};
use crate::image::{Image, LoadedImage};
use crate::life::{Life, Table};
use crate::limits::Usage;
use crate::memory::Frames;
use crate::rights::Rights;
use crate::sync::SpinLock;
use crate::tally::Tally;

/// A domain, or a dead slot waiting for the next one. The slot comes first, so
/// its address is the domain's.
#[repr(C)]
pub struct Domain {
    life: Life,
    cpu_ns: AtomicU64,
    /// Calls into it through proxies that are gone.
    past_calls: Tally,
    /// A thread other than the one that started it may enter or have entered it.
    is_shared: AtomicBool,
    /// When its last death began, nanoseconds since boot.
    died_ns: AtomicU64,
    /// Number of its death among the looks of [`crate::scan`]; the largest until
    /// it has one.
    death_ticket: AtomicU64,
    /// It is dying and waits to be reclaimed, by whoever takes that back.
    is_to_be_reclaimed: AtomicBool,
    /// Which of its requests for memory fail.
    famine: Famine,
    /// The last look that saw it held, dying.
    held_look: AtomicU64,
    /// What it may use and uses.
    pub(crate) usage: Usage,
    /// The pages it pays for.
    pub(crate) account: Account,
    /// What of its objects comes back to it.
    pub(crate) returned: Returned,
    /// What it was granted.
    pub(crate) rights: Rights,
    /// Frame of the table that its devices go by; 0: they are not guarded.
    device_table: AtomicU64,
    /// Its image is signed as a program.
    is_program: AtomicBool,
    /// Buffers that were to be lent to its devices and were not whole pages.
    pub(crate) bounces: Tally,
    /// Waits until its devices had forgotten pages.
    pub(crate) device_waits: Tally,
    body: SpinLock<Body>,
}

/// What is reached under the domain's lock.
pub struct Body {
    /// Name given at start.
    pub name: Name,
    /// Owner id of the domain that started it.
    pub parent: u64,
    /// It survives its parent.
    pub detached: bool,
    /// Its image, while it is loaded.
    pub image: Option<LoadedImage>,
    heap: BTreeMap<usize, Frames>,
    private_pages: usize,
    /// Why it died, and the number of the crash record (0: none).
    pub end: Option<(DeathCause, u64)>,
    /// Owner id of the domain on whose thread it died; 0: on none of another's.
    pub caller: u64,
    /// What is to be said of the slot's last dead domain.
    pub last: Option<DeathNotice>,
    /// Id and exit status of the slot's last domain that called `exit`.
    pub last_exit: Option<(u64, i32)>,
}

static KERNEL: Domain = Domain::new(0, 1, DomainState::Running);
static TABLE: Table<Domain> = Table::new();

/// What to make a domain of.
pub struct Creation<'a> {
    /// Name for listings and records.
    pub name: Name,
    /// Who starts it.
    pub parent: u64,
    /// It survives its parent.
    pub detached: bool,
    /// What it may use.
    pub limits: Limits,
    /// What it is granted.
    pub grants: &'a [Grant],
    /// What to load.
    pub image: &'a Arc<Image>,
}

/// Why pages were not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PagesError {
    /// The quota is used up.
    Quota,
    /// There are no free frames.
    NoMemory,
}

impl Domain {
    const fn new(index: u32, count: u32, state: DomainState) -> Self {
        Self {
            life: Life::new(index, count, state),
            cpu_ns: AtomicU64::new(0),
            past_calls: Tally::new(),
            is_shared: AtomicBool::new(false),
            died_ns: AtomicU64::new(0),
            death_ticket: AtomicU64::new(u64::MAX),
            is_to_be_reclaimed: AtomicBool::new(false),
            famine: Famine::new(),
            held_look: AtomicU64::new(0),
            usage: Usage::new(),
            account: Account::new(),
            returned: Returned::new(),
            rights: Rights::new(),
            device_table: AtomicU64::new(0),
            is_program: AtomicBool::new(false),
            bounces: Tally::new(),
            device_waits: Tally::new(),
            body: SpinLock::new(Body {
                name: abi::note::name("kernel"),
                parent: 0,
                detached: true,
                image: None,
                heap: BTreeMap::new(),
                private_pages: 0,
                end: None,
                caller: 0,
                last: None,
                last_exit: None,
            }),
        }
    }

    /// What crossings look at.
    #[must_use]
    pub const fn slot(&'static self) -> &'static DomainSlot {
        self.life.slot()
    }

    /// Owner id of the domain now in the slot.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.life.id()
    }

    /// Frame of the table that its devices go by; 0: they are not guarded.
    #[inline]
    pub(crate) fn device_table(&self) -> u64 {
        self.device_table.load(Ordering::Acquire)
    }

    /// Sets what its devices go by.
    pub(crate) fn set_device_table(&self, frame: u64) {
        self.device_table.store(frame, Ordering::Release);
    }

    /// Generation of the domain now in the slot.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.life.generation()
    }

    /// Where in its life it is.
    #[must_use]
    pub fn state(&self) -> DomainState {
        self.life.state()
    }

    /// Whether it is the kernel itself, which never dies.
    #[must_use]
    pub const fn is_kernel(&self) -> bool {
        self.life.slot().index == 0
    }

    /// Lets the slot be reused once the domain is dead: its starter has learned
    /// what it wants to know.
    pub(crate) fn let_go(&self) {
        self.life.let_go();
    }

    /// Notes that threads other than the one that started it may enter it.
    pub(crate) fn share(&self) {
        self.is_shared.store(true, Ordering::SeqCst);
    }

    /// Whether threads other than the one that started it may have entered it.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::SeqCst)
    }

    /// Notes that a look saw a thread that holds it.
    pub(crate) fn see_held(&self, look: u64) {
        self.held_look.fetch_max(look, Ordering::Relaxed);
    }

    /// Whether no thread holds it, once it is dying: every thread was looked at in
    /// look `looked` or later.
    pub(crate) fn is_clear(&self, looked: u64) -> bool {
        looked > self.death_ticket.load(Ordering::SeqCst)
            && looked > self.held_look.load(Ordering::Relaxed)
    }

    /// Its entry returned: it can be called.
    pub fn set_running(&self) {
        self.life.run();
    }

    /// Marks the domain with this id dying, so that new crossings fail; false if it was
    /// before, or another is in the slot by now.
    pub fn set_dying(&self, id: u64) -> bool {
        let was_alive = self.life.end(id);
        if was_alive {
            self.died_ns
                .store(crate::machine::get().now_ns(), Ordering::Release);
            self.death_ticket
                .store(crate::scan::new_ticket(), Ordering::SeqCst);
        }
        was_alive
    }

    /// Leaves it to whoever finds first that nothing holds it.
    pub(crate) fn leave_to_reclaim(&self) {
        self.is_to_be_reclaimed.store(true, Ordering::Release);
    }

    /// Whether it waits to be reclaimed.
    pub(crate) fn waits_for_reclaim(&self) -> bool {
        self.is_to_be_reclaimed.load(Ordering::Acquire)
    }

    /// Takes it, to reclaim it; false: somebody else did.
    pub(crate) fn take_to_reclaim(&self) -> bool {
        self.is_to_be_reclaimed.swap(false, Ordering::AcqRel)
    }

    /// Which of its requests for memory fail.
    pub(crate) const fn famine(&self) -> &Famine {
        &self.famine
    }

    /// Notes that its devices are silent.
    pub(crate) fn set_quiet(&self) {
        self.life.set_quiet();
    }

    /// Whether its devices are silent, once it is dying.
    pub(crate) fn is_quiet(&self) -> bool {
        self.life.is_quiet()
    }

    /// When the last death in this slot began, nanoseconds since boot.
    pub fn died_ns(&self) -> u64 {
        self.died_ns.load(Ordering::Acquire)
    }

    /// Leaves no page of its quota.
    pub(crate) fn exhaust_quota(&self) {
        self.account.exhaust();
    }

    /// Frees everything the kernel keeps for it; the slot may be reused then.
    /// Nothing may execute in it or hold it any more.
    pub fn set_dead(&self, notice: DeathNotice) {
        let (image, heap) = {
            let mut body = self.body.lock();
            body.private_pages = 0;
            body.end = None;
            body.last = Some(notice);
            (body.image.take(), core::mem::take(&mut body.heap))
        };
        drop(image);
        drop(heap);
        self.life.set_dead();
    }

    /// Runs `access` on what lies under the domain's lock.
    pub fn with<R>(&self, access: impl FnOnce(&mut Body) -> R) -> R {
        access(&mut self.body.lock())
    }

    /// Maps zeroed pages for the domain's private heap.
    ///
    /// # Errors
    /// [`PagesError`].
    pub fn map_pages(&'static self, pages: usize) -> Result<*mut u8, PagesError> {
        if pages == 0 {
            return Err(PagesError::Quota);
        }
        let charge = Charge::new(self, pages).ok_or(PagesError::Quota)?;
        let frames = Frames::zeroed(pages).ok_or(PagesError::NoMemory)?;
        let room = SetAside::new().ok_or(PagesError::NoMemory)?;
        let frames = frames.give(protection::key_of(self.life.slot().index));
        let start = frames.direct();
        let mut body = self.body.lock();
        body.private_pages += pages;
        room.spend(|| body.heap.insert(start as usize, frames));
        charge.keep();
        Ok(start)
    }

    /// Gives pages of [`Domain::map_pages`] back; others are left alone.
    pub fn unmap_pages(&self, start: *mut u8) {
        let mut body = self.body.lock();
        if let Some(frames) = body.heap.remove(&(start as usize)) {
            body.private_pages -= frames.pages();
            self.account.give_back(self.generation(), frames.pages());
        }
    }

    /// Whether its image is signed as a program.
    #[inline]
    pub(crate) fn is_program(&self) -> bool {
        self.is_program.load(Ordering::Relaxed)
    }

    /// Counts calls of a generation through a proxy that goes.
    pub(crate) fn add_past_calls(&self, generation: u64, calls: u64) {
        self.past_calls.add(generation, calls);
    }

    /// What listings say; calls through proxies that are there now are added by
    /// [`list`].
    #[must_use]
    pub fn info(&self) -> DomainInfo {
        let id = self.id();
        let mut threads = 0;
        crate::thread::for_each(|thread| threads += u32::from(thread.home == id));
        DomainInfo {
            threads,
            exchange_bytes: crate::exchange::bytes_owned(id),
            ..self.own_info()
        }
    }

    /// As [`Domain::info`], without threads and exchange objects.
    fn own_info(&self) -> DomainInfo {
        let body = self.body.lock();
        let image = body.image.as_ref().map_or(0, LoadedImage::private_bytes);
        DomainInfo {
            id: self.id(),
            name: body.name,
            state: self.state() as u32,
            threads: 0,
            private_bytes: (body.private_pages * PAGE_SIZE + image) as u64,
            exchange_bytes: 0,
            calls: self.past_calls.get(),
            cpu_ns: self.cpu_ns.load(Ordering::Relaxed),
            bounces: self.bounces.get(),
            device_waits: self.device_waits.get(),
        }
    }
}

impl AsRef<Life> for Domain {
    fn as_ref(&self) -> &Life {
        &self.life
    }
}

/// The kernel as a domain: slot 0.
#[must_use]
pub fn kernel() -> &'static Domain {
    &KERNEL
}

/// The kernel's slot.
#[must_use]
pub fn kernel_slot() -> *const DomainSlot {
    KERNEL.slot()
}

/// The domain a slot belongs to.
///
/// # Safety
/// The slot must be one of this table's.
#[must_use]
pub unsafe fn of_slot(slot: *const DomainSlot) -> &'static Domain {
    // SAFETY: the slot is the first field of a `Domain`, which is never freed.
    unsafe { &*slot.cast::<Domain>() }
}

/// The domain whose code the current thread executes.
#[must_use]
pub fn current() -> &'static Domain {
    // SAFETY: `current` of a control block is a slot of this table.
    unsafe { of_slot((*crate::thread::control()).current) }
}

/// Whether it is the supervisor: the one that the kernel itself has started.
pub(crate) fn is_supervisor(domain: &Domain) -> bool {
    domain.with(|body| body.parent == KERNEL.id())
}

/// Charges CPU time to a domain; whether that was more than its share.
pub(crate) fn account_cpu(slot: &DomainSlot, now_ns: u64, ran_ns: u64) -> bool {
    // SAFETY: slots come from this table.
    let domain = unsafe { of_slot(slot) };
    domain.cpu_ns.fetch_add(ran_ns, Ordering::Relaxed);
    domain.usage.spend_cpu(now_ns, ran_ns)
}

/// The domain with an owner id, unless it is dead.
#[must_use]
pub fn find(id: u64) -> Option<&'static Domain> {
    TABLE.find(id)
}

/// Whether the domain with an owner id can be called: neither dying nor dead.
#[must_use]
pub fn is_live(id: u64) -> bool {
    TABLE.is_live(id)
}

/// The slot an owner id belongs to, whoever is in it now.
#[must_use]
pub fn slot_of(id: u64) -> Option<&'static Domain> {
    TABLE.slot_of(id)
}

/// Domains that are not dead.
pub fn living() -> impl Iterator<Item = &'static Domain> {
    TABLE.living()
}

/// Writes what listings say of all domains that are not dead, as far as there is room;
/// how many there are.
#[must_use]
pub fn list(into: &mut [DomainInfo]) -> usize {
    let (mut count, mut places) = (0, into.iter_mut());
    for domain in living() {
        if let Some(place) = places.next() {
            *place = domain.own_info();
        }
        count += 1;
    }
    let room = into.len();
    // Nobody sees a list that was broken off.
    let _ = add_what_they_have(&mut into[..count.min(room)]);
    count
}

/// Adds threads, exchange objects and calls to what listings say, unless the thread is to
/// leave its domain.
fn add_what_they_have(list: &mut [DomainInfo]) -> ControlFlow<()> {
    // In the order of slots, so each is found fast; one look at everything for all.
    let place = |list: &[DomainInfo], id: u64| {
        let slot = id & 0xffff;
        let found = list.binary_search_by_key(&slot, |info| info.id & 0xffff);
        found.ok().filter(|&index| list[index].id == id)
    };
    crate::thread::for_each(|thread| {
        if let Some(index) = place(list, thread.home) {
            list[index].threads += 1;
        }
    });
    crate::exchange::look(&mut |header| {
        if let Some(index) = place(list, header.owner.load(Ordering::Relaxed)) {
            list[index].exchange_bytes += header.size as u64;
        }
        crate::crossing::go_on()
    })?;
    crate::export::look_at_counts(&mut |callee, calls| {
        if let Some(index) = place(list, callee) {
            list[index].calls += calls;
        }
    })
}

/// Height of a domain that is granted these: above all whom it can call.
fn height_above(grants: &[Grant]) -> usize {
    let proxies = grants
        .iter()
        .filter(|grant| grant.kind == GrantKind::Proxy as u32);
    let heights = proxies.map(|grant| {
        // SAFETY: grants are checked before a domain is made of them; slots live
        // for ever.
        let callee = unsafe {
            let (_, slot) = (*(grant.first as *const ProxyObject)).target.read_life();
            of_slot(slot)
        };
        height_of(callee.generation()) + 1
    });
    heights.max().unwrap_or(0)
}

/// Makes a domain and loads its image. It is `Starting` and can be entered.
#[must_use]
pub fn create(creation: &Creation<'_>) -> Option<&'static Domain> {
    let image = creation.image.load()?;
    let pages = image.private_bytes() / PAGE_SIZE;
    if !charge::fits(&creation.limits, pages) {
        return None;
    }
    let domain = TABLE.take_slot(|index| {
        let slot = heap::try_box(Domain::new(index, 0, DomainState::Dead))?;
        Some(Box::leak(slot))
    })?;
    domain.life.set_height(height_above(creation.grants));
    {
        let mut body = domain.body.lock();
        body.name = crate::record::printable(creation.name);
        body.parent = creation.parent;
        body.detached = creation.detached;
        body.image = Some(image);
        body.end = None;
    }
    domain.cpu_ns.store(0, Ordering::Relaxed);
    domain.past_calls.begin(domain.generation());
    domain.bounces.begin(domain.generation());
    domain.device_waits.begin(domain.generation());
    domain.is_shared.store(false, Ordering::SeqCst);
    domain.death_ticket.store(u64::MAX, Ordering::SeqCst);
    domain.usage.begin(domain.generation(), &creation.limits);
    domain
        .account
        .begin(domain.generation(), &creation.limits, pages);
    domain.rights.begin(creation.grants);
    famine::begin(domain, crate::record::name_text(&creation.name));
    let is_program = creation.image.role() == Role::Program;
    domain.is_program.store(is_program, Ordering::Relaxed);
    domain.life.begin();
    Some(domain)
}
