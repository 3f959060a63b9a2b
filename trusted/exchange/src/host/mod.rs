//! A stand-in for the kernel inside a test on the host.
//!
//! With feature `host`, a thread that first touches the exchange heap gets a
//! thread control block at `gs:0` whose services are served by `std`: crossings,
//! allocation with owners, threads, waiting, clock, log. A test may create
//! further [`Domain`]s, run code in them and let them die. Services that need a
//! machine (images, devices) answer `Unsupported`.
#![expect(clippy::missing_panics_doc, reason = "tests want panics")]

mod objects;
mod proxies;
mod services;
mod stub;

use std::boxed::Box;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::thread::{DomainSlot, HEIGHTS, ThreadControl, generation_of};

pub use objects::{objects_of, reclaim, total_objects};
pub use proxies::{abandon, hold, promise, redirect};

static NEXT_DOMAIN: AtomicU32 = AtomicU32::new(1);
static NEXT_THREAD: AtomicU32 = AtomicU32::new(1);

std::thread_local! {
    static ENTERED: Cell<*mut ThreadControl> = const { Cell::new(ptr::null_mut()) };
}

/// Gives this thread a control block if it has none. Threads start in a domain
/// of their own.
#[inline]
pub fn enter() {
    if ENTERED.get().is_null() {
        enter_in(Domain::new().slot);
    }
}

pub(crate) fn enter_in(domain: &'static DomainSlot) {
    let control = Box::leak(Box::new(ThreadControl {
        this: ptr::null(),
        chain: ptr::null(),
        current: domain,
        stack_limit: 0,
        preempt_off: 0,
        kernel_depth: 0,
        work_pending: AtomicU32::new(0),
        thread: NEXT_THREAD.fetch_add(1, Ordering::Relaxed),
        cross: stub::address(),
        counters: Box::leak(Box::new(stub::Counters::default())).as_mut_ptr(),
        cross_moving: stub::moving_address(),
        came_back: came_back as *const () as usize,
        services: services::table(),
        cpu: ptr::null_mut(),
        kernel: ptr::null_mut(),
        call_limits: [0; HEIGHTS],
    }));
    control.this = control;
    ENTERED.set(control);
    stub::set_gs(control);
}

/// There is never work pending, and a dead domain of a test may run on.
extern "sysv64" fn came_back() {}

/// The block of this thread.
pub(crate) fn control() -> *mut ThreadControl {
    enter();
    ENTERED.get()
}

/// A domain of a test.
#[derive(Clone, Copy)]
pub struct Domain {
    slot: &'static DomainSlot,
}

impl Domain {
    /// A new, living domain.
    #[must_use]
    pub fn new() -> Self {
        let index = NEXT_DOMAIN.fetch_add(1, Ordering::Relaxed);
        let slot = Box::leak(Box::new(DomainSlot {
            live: AtomicU64::new(generation_of(1, 0)),
            id: AtomicU64::new(u64::from(index) << 32 | 1),
            index,
            rights: 0,
        }));
        objects::register(slot);
        Self { slot }
    }

    /// Owner id.
    #[must_use]
    pub fn id(self) -> u64 {
        self.slot.id.load(Ordering::Relaxed)
    }

    /// Runs `code` on this thread in the name of the domain.
    pub fn run<T>(self, code: impl FnOnce() -> T) -> T {
        let control = control();
        // SAFETY: the block is this thread's own and leaked, hence live.
        let before = unsafe { ptr::replace(&raw mut (*control).current, self.slot) };
        let result = code();
        // SAFETY: as above.
        unsafe { (*control).current = before };
        result
    }

    /// New crossings into the domain fail from now on. What it owns stays until
    /// [`reclaim`].
    pub fn die(self) {
        self.slot.live.store(0, Ordering::SeqCst);
    }
}

impl Default for Domain {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes what was made in another domain's name the property of the domain that
/// runs here, as the kernel does with the object a new domain provides.
#[must_use]
pub fn adopt<T: crate::Exchangeable>(value: T) -> T {
    // SAFETY: the value is moved to this domain; nobody disturbs a test thread.
    unsafe { value.give_references(crate::thread::current_domain()) };
    value
}

/// Ends the domain whose code runs, inside a crossing: does not return, the
/// crossing does, with `DomainDead`.
pub fn die_here() -> ! {
    let control = control();
    // SAFETY: the block is this thread's own; its slot is live for ever.
    unsafe {
        assert!(
            !(*control).chain.is_null(),
            "die_here is for code inside a crossing"
        );
        (*(*control).current).live.store(0, Ordering::SeqCst);
        stub::unwind()
    }
}

/// Whether the code runs inside a crossing.
#[must_use]
pub fn is_crossing() -> bool {
    // SAFETY: the block is this thread's own.
    unsafe { !(*control()).chain.is_null() }
}

/// Leaves the domain whose code runs if it is dead, as the kernel makes threads do
/// that wait there: the crossing ends with `DomainDead`. For what waits in a test.
pub fn leave_if_dead() {
    // SAFETY: the block is this thread's own; its slot is live for ever.
    let is_dead = unsafe { (*(*control()).current).live.load(Ordering::SeqCst) == 0 };
    if is_dead && is_crossing() {
        die_here();
    }
}

/// Whether an instruction pointer lies in the crossing stub, where the kernel disturbs
/// no thread.
#[must_use]
pub fn is_in_stub(rip: usize) -> bool {
    stub::is_in_stub(rip)
}

/// Where a thread goes on that leaves the domain it executes in: its newest crossing
/// comes back with `DomainDead`. For a test that sets an instruction pointer.
#[must_use]
pub fn unwinder() -> usize {
    stub::unwinder()
}

/// Starts a thread in the name of the domain that runs here.
pub(crate) fn spawn(code: impl FnOnce() + Send + 'static) {
    // SAFETY: the block is this thread's own; its slot is live for ever.
    let domain: &'static DomainSlot = unsafe { &*(*control()).current };
    std::thread::spawn(move || {
        enter_in(domain);
        code();
    });
}
