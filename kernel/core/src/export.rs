//! Exported objects: what proxies of all domains refer to.

use alloc::boxed::Box;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use abi::exchange::{HELD, ObjectHeader, ObjectKind, ProxyObject};
use abi::services::{DropExport, EdgeInfo, ExchangeRequest};
use abi::status::ServiceError;
use abi::target::{Target, TargetCell};
use abi::thread::{CrossStatus, CrossTable, DomainSlot};

use crate::domain::{self, Domain};
use crate::sync::SpinLock;
use crate::thread::{self, Spawn};
use crate::{crossing, exchange, heap, limits, statistics, wait};

mod references;

use references::{Change, Changes, References};

/// One object a domain lets others call.
struct Export {
    slot: &'static DomainSlot,
    generation: u64,
    data: *const (),
    drop_export: DropExport,
    references: References,
    /// Its supervisor has promised a successor, whenever its domain dies.
    is_promised: AtomicBool,
    /// Its domain is dead and there will be no successor.
    is_abandoned: AtomicBool,
    /// The next of those that are forlorn.
    next: Option<Box<Export>>,
}

// SAFETY: the pointers mean something in the owner's context only and are
// passed there untouched.
unsafe impl Send for Export {}

static COUNT: AtomicU64 = AtomicU64::new(0);
/// Exports whose last proxy went where their owner could not be called.
static FORLORN: SpinLock<Option<Box<Export>>> = SpinLock::new(None);

/// Taken by whoever frees, copies or redirects proxies: none of them sees a
/// proxy half redirected or freed under its hands. Calls do not take it.
static CHANGES: Changes = Changes::new();

/// Counts redirections; who waits for a successor waits on it.
static REDIRECTED: AtomicU32 = AtomicU32::new(0);

/// Exported objects there are.
#[must_use]
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn new_proxy(object: ProxyObject, owner: u64) -> *mut ProxyObject {
    let request = ExchangeRequest {
        size: size_of::<ProxyObject>(),
        align: align_of::<ProxyObject>(),
        length: 1,
        fingerprint: object.fingerprint,
    };
    let proxy = exchange::allocate(&request, owner).cast::<ProxyObject>();
    if proxy.is_null() {
        return proxy;
    }
    limits::take_proxy();
    // SAFETY: a fresh object of the right size, with its header in front.
    unsafe {
        proxy.write(ProxyObject {
            edge: statistics::allocate(),
            ..object
        });
        (*header(proxy))
            .kind
            .store(ObjectKind::Proxy as u32, Ordering::Release);
    }
    proxy
}

/// The header in front of a proxy.
#[must_use]
pub fn header(proxy: *mut ProxyObject) -> *mut ObjectHeader {
    proxy.cast::<ObjectHeader>().wrapping_sub(1)
}

/// Exports an object of the current domain; null when there is no memory.
///
/// # Safety
/// `data` stands for a reference that `drop_export` may drop once, in the current
/// domain; `table` holds the methods of its interface, which `fingerprint` names.
pub unsafe fn export(
    data: *const (),
    table: *const CrossTable,
    drop_export: DropExport,
    fingerprint: u64,
) -> *mut ProxyObject {
    let owner = domain::current();
    owner.share();
    let export = heap::try_box(Export {
        slot: owner.slot(),
        generation: owner.generation(),
        data,
        drop_export,
        references: References::new(),
        is_promised: AtomicBool::new(false),
        is_abandoned: AtomicBool::new(false),
        next: None,
    });
    let Some(export) = export.map(Box::into_raw) else {
        return core::ptr::null_mut();
    };
    let object = ProxyObject {
        target: TargetCell::new(Target {
            slot: owner.slot(),
            generation: owner.generation(),
            data,
            table,
        }),
        export: export.cast(),
        fingerprint,
        edge: 0,
        errors: 0,
    };
    let proxy = new_proxy(object, owner.id());
    if proxy.is_null() {
        // SAFETY: just made, known to nobody.
        drop(unsafe { Box::from_raw(export) });
    } else {
        COUNT.fetch_add(1, Ordering::Relaxed);
        owner.usage.add_export(owner.generation());
    }
    proxy
}

/// Another proxy for the same object, owned by the current domain.
///
/// # Safety
/// `proxy` must be a live proxy.
pub unsafe fn clone(proxy: *const ProxyObject) -> *mut ProxyObject {
    let change = CHANGES.begin();
    // SAFETY: a live proxy refers to a live export.
    let (from, export) = unsafe { (&*proxy, &*(*proxy).export.cast::<Export>()) };
    let object = ProxyObject {
        target: TargetCell::new(from.target.read()),
        errors: 0,
        ..*from
    };
    let clone = new_proxy(object, domain::current().id());
    if !clone.is_null() {
        change.add(&export.references);
    }
    clone
}

/// Drops a proxy; the last one gives the object back to its domain.
///
/// # Safety
/// `proxy` must be a live proxy that nobody uses any more.
pub unsafe fn release(proxy: *mut ProxyObject) {
    let last = {
        let change = CHANGES.begin();
        // SAFETY: the caller's contract.
        unsafe {
            let last = take_away(&change, &*proxy);
            exchange::free(proxy.cast());
            last
        }
    };
    if let Some(export) = last {
        finish_or_retry(export);
    }
}

/// As [`finish`]; the kernel's thread for it tries again what failed.
fn finish_or_retry(export: Box<Export>) {
    if !finish(export) {
        crate::death::noticed();
    }
}

/// Drops a proxy of a dead domain, without calling anybody.
///
/// # Safety
/// As for [`release`]; the object itself is freed by the caller.
pub unsafe fn forsake(object: &ProxyObject) {
    let change = CHANGES.begin();
    // SAFETY: the caller's contract.
    if let Some(export) = unsafe { take_away(&change, object) } {
        leave_forlorn(export);
    }
}

fn leave_forlorn(mut export: Box<Export>) {
    let mut forlorn = FORLORN.lock();
    export.next = forlorn.take();
    *forlorn = Some(export);
}

/// Counts the calls of a proxy that goes as the callee's.
fn retire(proxy: &ProxyObject) {
    let calls = statistics::release(proxy.edge);
    let (generation, slot) = proxy.target.read_life();
    // SAFETY: slots come from the table of domains and are never freed.
    let callee = unsafe { domain::of_slot(slot) };
    callee.add_past_calls(generation, calls);
}

/// Calls `visit` with every proxy and the owner of it, until it breaks off. They are kept
/// from changing one at a time: all others that change one wait meanwhile.
fn look_at_held(visit: &mut dyn FnMut(u64, &ProxyObject) -> ControlFlow<()>) -> ControlFlow<()> {
    exchange::look(&mut |header| {
        let is_proxy = || header.kind.load(Ordering::Acquire) == ObjectKind::Proxy as u32;
        if !is_proxy() {
            return crossing::go_on();
        }
        let _changes = CHANGES.begin();
        if !is_proxy() {
            return crossing::go_on();
        }
        let proxy = core::ptr::from_ref(header).wrapping_add(1);
        // SAFETY: the kind says what the payload is; proxies are not freed
        // while `CHANGES` is held.
        let proxy = unsafe { &*proxy.cast::<ProxyObject>() };
        visit(header.owner.load(Ordering::Relaxed), proxy)
    })
}

/// Owner id of the domain that a proxy calls; 0: it is dead.
fn callee_of(proxy: &ProxyObject) -> u64 {
    let (generation, slot) = proxy.target.read_life();
    // SAFETY: slots are never freed.
    let slot = unsafe { &*slot };
    if slot.live.load(Ordering::Acquire) == generation {
        slot.id.load(Ordering::Relaxed)
    } else {
        0
    }
}

/// Calls `visit` with the callee of every proxy and the calls that were counted, unless
/// the thread is to leave its domain.
pub fn look_at_counts(visit: &mut dyn FnMut(u64, u64)) -> ControlFlow<()> {
    look_at_held(&mut |_, proxy| {
        visit(callee_of(proxy), statistics::calls(proxy.edge));
        crossing::go_on()
    })
}

/// The edges of the domain graph: every proxy, with what was counted, unless the thread
/// is to leave its domain.
pub fn look_at_edges(visit: &mut dyn FnMut(EdgeInfo)) -> ControlFlow<()> {
    look_at_held(&mut |caller, proxy| {
        let times = statistics::times(proxy.edge);
        visit(EdgeInfo {
            caller,
            callee: callee_of(proxy),
            fingerprint: proxy.fingerprint,
            calls: statistics::calls(proxy.edge),
            errors: proxy.errors,
            samples: times.samples,
            median_ns: times.median_ns,
            p99_ns: times.p99_ns,
            max_ns: times.max_ns,
        });
        crossing::go_on()
    })
}

/// Takes a proxy from its export; the export if that was the last.
///
/// # Safety
/// `proxy` must be a live proxy that nobody uses any more.
unsafe fn take_away(change: &Change<'_>, proxy: &ProxyObject) -> Option<Box<Export>> {
    retire(proxy);
    let export = proxy.export.cast_mut().cast::<Export>();
    // SAFETY: a live proxy has its header in front and refers to a live export;
    // without proxies that is ours.
    unsafe {
        let kind = &(*header(core::ptr::from_ref(proxy).cast_mut())).kind;
        let was_last = change.take_away(kind, &(*export).references);
        was_last.then(|| close(export))
    }
}

/// Takes an export out of use.
///
/// # Safety
/// `export` must be a live export without proxies.
unsafe fn close(export: *mut Export) -> Box<Export> {
    // SAFETY: the caller's contract; slots come from the table of domains.
    unsafe {
        let export = Box::from_raw(export);
        let owner = domain::of_slot(export.slot);
        owner.usage.remove_export(export.generation);
        export
    }
}

/// Makes every proxy for the object of `from`, whoever holds it, one for the
/// object of `to`; how many there were. `from` itself and `to` stay as they are.
///
/// What a caller sees meanwhile: [`abi::target`].
///
/// # Errors
/// `Invalid` unless the interfaces are the same and the old owner is dead.
///
/// # Safety
/// Both must be live proxies held by the caller.
pub unsafe fn redirect(
    from: *mut ProxyObject,
    to: *const ProxyObject,
) -> Result<u64, ServiceError> {
    let change = CHANGES.begin();
    // SAFETY: the caller's contract.
    let (old, new) = unsafe { (&*from, &*to) };
    let (generation, slot) = old.target.read_life();
    // SAFETY: slots are never freed.
    let old_lives = unsafe { (*slot).live.load(Ordering::Acquire) == generation };
    let target = new.target.read();
    if old.fingerprint != new.fingerprint || old_lives || core::ptr::eq(old.export, new.export) {
        return Err(ServiceError::Invalid);
    }
    let (old_export, new_export) = (old.export, new.export);
    let mut moved = 0;
    for_each_proxy(old_export, from, &mut |payload| {
        // SAFETY: a live proxy, whose export only we look at.
        unsafe {
            (*payload).target.write(&target);
            (*payload).export = new_export;
        }
        moved += 1;
    });
    // SAFETY: `to` keeps the new export, `from` the old one.
    let exports = unsafe { [old_export, new_export].map(|export| &*export.cast::<Export>()) };
    let [old, new] = exports.map(|export| &export.references);
    change.redirect(moved, old, new);
    drop(change);
    notify_waiters();
    Ok(u64::from(moved))
}

/// Makes every proxy of the interface of `to` that `holder` has for an object of a
/// dead domain, one for the object of `to`; how many there were.
///
/// # Safety
/// `to` must be a live proxy held by the caller.
pub unsafe fn redirect_held(holder: u64, to: *const ProxyObject) -> u64 {
    let mut moved = 0;
    // One at a time: the old object of each is given up outside of the lock.
    // SAFETY: the caller's contract.
    while let Some(old) = unsafe { redirect_one(holder, to) } {
        moved += 1;
        if let Some(export) = old {
            finish_or_retry(export);
        }
    }
    notify_waiters();
    moved
}

/// Redirects one proxy, as [`redirect_held`]: its old export, if that was the last
/// proxy for it. `None`: there is none left to redirect.
///
/// # Safety
/// As [`redirect_held`].
unsafe fn redirect_one(holder: u64, to: *const ProxyObject) -> Option<Option<Box<Export>>> {
    let change = CHANGES.begin();
    // SAFETY: the caller's contract.
    let new = unsafe { &*to };
    let mut found = None;
    for_each_payload(&mut |owner, payload| {
        // SAFETY: a live proxy, as `CHANGES` is held; slots are never freed.
        let is_meant = unsafe {
            let (generation, slot) = (*payload).target.read_life();
            owner == holder
                && (*payload).fingerprint == new.fingerprint
                && (*slot).live.load(Ordering::Acquire) != generation
        };
        if is_meant {
            found = Some(payload);
        }
    });
    let payload = found?;
    // SAFETY: live proxies, which only we change, of live exports; `to` keeps the new
    // one.
    unsafe {
        let old = (*payload).export.cast_mut().cast::<Export>();
        let references = &(*new.export.cast::<Export>()).references;
        (*payload).target.write(&new.target.read());
        (*payload).export = new.export;
        let was_last = change.move_one(&(*old).references, references);
        Some(was_last.then(|| close(old)))
    }
}

/// Calls `visit` with every proxy for an export but one. `CHANGES` is held, so
/// none of them is freed meanwhile.
fn for_each_proxy(
    export: *const (),
    but: *const ProxyObject,
    visit: &mut dyn FnMut(*mut ProxyObject),
) {
    for_each_payload(&mut |_, payload| {
        // SAFETY: a live proxy.
        if !core::ptr::eq(payload, but) && unsafe { (*payload).export } == export {
            visit(payload);
        }
    });
}

/// Calls `visit` with every proxy and its owner. `CHANGES` is held, so none of them
/// is freed meanwhile.
fn for_each_payload(visit: &mut dyn FnMut(u64, *mut ProxyObject)) {
    exchange::for_each(&mut |header| {
        let payload = core::ptr::from_ref(header)
            .wrapping_add(1)
            .cast_mut()
            .cast::<ProxyObject>();
        // The kind says what the payload is.
        if header.kind.load(Ordering::Acquire) == ObjectKind::Proxy as u32 {
            visit(header.owner.load(Ordering::Relaxed), payload);
        }
    });
}

/// Makes calls through every proxy for the object of `held`, whoever holds it,
/// wait until they are redirected; how many. `held` itself stays as it is.
///
/// # Safety
/// `held` must be a live proxy held by the caller.
pub unsafe fn hold(held: *mut ProxyObject) -> u64 {
    let _changes = CHANGES.begin();
    let mut count = 0;
    // SAFETY: the caller's contract.
    let export = unsafe { (*held).export };
    for_each_proxy(export, held, &mut |payload| {
        // SAFETY: a live proxy.
        unsafe { (*payload).target.hold() };
        count += 1;
    });
    count
}

/// Promises that the object of `proxy` gets a successor whenever its domain dies:
/// who calls it may wait for that ([`wait_out`]).
///
/// # Safety
/// `proxy` must be a live proxy held by the caller.
pub unsafe fn promise(proxy: *const ProxyObject) {
    let _changes = CHANGES.begin();
    // SAFETY: a live proxy refers to a live export.
    let export = unsafe { &*(*proxy).export.cast::<Export>() };
    export.is_promised.store(true, Ordering::Release);
}

/// Says that the object of `from` will have no successor.
///
/// # Safety
/// `from` must be a live proxy held by the caller.
pub unsafe fn abandon(from: *const ProxyObject) {
    {
        let _changes = CHANGES.begin();
        // SAFETY: a live proxy refers to a live export.
        let export = unsafe { &*(*from).export.cast::<Export>() };
        export.is_abandoned.store(true, Ordering::Release);
    }
    notify_waiters();
}

fn notify_waiters() {
    REDIRECTED.fetch_add(1, Ordering::SeqCst);
    wait::wake(&REDIRECTED, u32::MAX);
}

/// Waits until a proxy leads elsewhere than to this generation of a slot; when
/// that one's death began.
///
/// # Errors
/// `NotFound` when there will be no successor; `Interrupted` when the thread was
/// woken for another reason: it leaves the kernel, as from every service, so
/// that what it was woken for happens; those of [`wait::wait`].
///
/// # Safety
/// `proxy` must be a live proxy held by the caller, `slot` one of the table's.
pub unsafe fn wait_for_successor(
    proxy: *const ProxyObject,
    slot: &'static DomainSlot,
    generation: u64,
    deadline_ns: u64,
) -> Result<u64, ServiceError> {
    let mut seen = REDIRECTED.load(Ordering::SeqCst);
    loop {
        let is_abandoned = {
            let _changes = CHANGES.begin();
            // SAFETY: the caller's contract; not redirected under our hands.
            let (now, export) = unsafe { (&*proxy, &*(*proxy).export.cast::<Export>()) };
            let (now_generation, now_slot) = now.target.read_life();
            if !core::ptr::eq(now_slot, slot) || now_generation != generation {
                // SAFETY: the caller's contract.
                return Ok(unsafe { domain::of_slot(slot) }.died_ns());
            }
            export.is_abandoned.load(Ordering::Acquire)
        };
        if is_abandoned {
            return Err(ServiceError::NotFound);
        }
        wait::wait(&REDIRECTED, seen, deadline_ns)?;
        let now = REDIRECTED.load(Ordering::SeqCst);
        if now == seen {
            return Err(ServiceError::Interrupted);
        }
        seen = now;
    }
}

/// Waits until a call through a proxy may be made again that has met a death: until
/// it leads to a domain that lives, or calls through it are held.
///
/// # Errors
/// `Unsupported` when nobody has promised a successor, `NotFound` when there will be
/// none; as [`wait_for_successor`].
///
/// # Safety
/// `proxy` must be a live proxy held by the caller.
pub unsafe fn wait_out(proxy: *const ProxyObject, deadline_ns: u64) -> Result<u64, ServiceError> {
    let life = {
        let _changes = CHANGES.begin();
        // SAFETY: the caller's contract; not redirected under our hands. Slots are
        // never freed.
        unsafe {
            let (now, export) = (&*proxy, &*(*proxy).export.cast::<Export>());
            if !export.is_promised.load(Ordering::Acquire) {
                return Err(ServiceError::Unsupported);
            }
            let (generation, slot) = now.target.read_life();
            let slot = &*slot;
            let lives = slot.live.load(Ordering::Acquire) == generation;
            (generation != HELD && !lives).then_some((slot, generation))
        }
    };
    let Some((slot, generation)) = life else {
        return Ok(0);
    };
    // SAFETY: the caller's contract.
    unsafe { wait_for_successor(proxy, slot, generation, deadline_ns) }
}

/// Whether there is work for [`finish_forlorn`].
pub fn has_forlorn() -> bool {
    FORLORN.lock().is_some()
}

/// Gives an export back that [`forsake`] left, or that no thread could be made for;
/// false: there is none, or no thread still.
pub fn finish_forlorn() -> bool {
    let first = take_first(&mut FORLORN.lock());
    first.is_some_and(finish)
}

fn take_first(list: &mut Option<Box<Export>>) -> Option<Box<Export>> {
    let mut first = list.take()?;
    *list = first.next.take();
    Some(first)
}

/// Exports of a domain that nobody has a proxy for any more.
///
/// To drop an object runs its domain's code, which may never come to an end. So that
/// happens on a thread of that domain, one for all of them, which comes and goes with
/// them; not on that of whoever dropped the last proxy, nor on one of the kernel's.
pub(crate) struct Returned(SpinLock<ReturnedState>);

struct ReturnedState {
    first: Option<Box<Export>>,
    has_thread: bool,
}

impl Returned {
    pub(crate) const fn new() -> Self {
        Self(SpinLock::new(ReturnedState {
            first: None,
            has_thread: false,
        }))
    }

    /// Whether one of the domain's threads is the kernel's, for what is here.
    pub(crate) fn has_thread(&self) -> bool {
        self.0.lock().has_thread
    }

    /// Adds one; whether a thread is to be made.
    fn add(&self, mut export: Box<Export>) -> bool {
        let mut state = self.0.lock();
        export.next = state.first.take();
        state.first = Some(export);
        !core::mem::replace(&mut state.has_thread, true)
    }

    /// The next one; without one the thread ends.
    fn next(&self) -> Option<Box<Export>> {
        let mut state = self.0.lock();
        let next = take_first(&mut state.first);
        state.has_thread = next.is_some();
        next
    }
}

/// Gives an object back to its domain; false: later, there is no memory.
fn finish(export: Box<Export>) -> bool {
    // SAFETY: slots come from the table of domains.
    let owner = unsafe { domain::of_slot(export.slot) };
    if export.slot.live.load(Ordering::Acquire) != export.generation {
        // With its domain the object has gone.
        COUNT.fetch_sub(1, Ordering::Relaxed);
        return true;
    }
    if core::ptr::eq(owner, domain::current()) {
        if let Some(export) = drop_object(export) {
            return leave_to_thread(owner, export);
        }
        return true;
    }
    leave_to_thread(owner, export)
}

fn leave_to_thread(owner: &'static Domain, export: Box<Export>) -> bool {
    if !owner.returned.add(export) {
        return true;
    }
    let kernel = domain::kernel();
    let spawn = Spawn {
        name: abi::note::name("drop"),
        priority: thread::PRIORITY_NORMAL,
        slot: kernel.slot(),
        generation: kernel.generation(),
        home: owner.id(),
        function: drop_returned,
        argument: core::ptr::from_ref(owner).cast_mut().cast(),
        stack_bytes: 0,
    };
    // SAFETY: the function takes a domain of the table.
    let is_spawned = unsafe { thread::spawn(&spawn) }.is_ok();
    if !is_spawned {
        while let Some(export) = owner.returned.next() {
            leave_forlorn(export);
        }
    }
    is_spawned
}

/// The life of a thread that drops what a domain is given back.
unsafe extern "sysv64" fn drop_returned(owner: *mut ()) {
    // SAFETY: `leave_to_thread` passes a domain of the table.
    let owner = unsafe { &*owner.cast::<Domain>() };
    while let Some(export) = owner.returned.next() {
        if let Some(export) = drop_object(export) {
            leave_forlorn(export);
        }
    }
}

struct DropFrame {
    drop_export: DropExport,
    data: *const (),
}

unsafe extern "sysv64" fn call_drop(frame: *mut ()) {
    // SAFETY: `drop_object` passes its own frame; the export was made with a
    // function that accepts this object.
    unsafe {
        let frame = &*frame.cast::<DropFrame>();
        (frame.drop_export)(frame.data);
    }
}

/// Drops an object, in its domain; the export is back if the stack is too short for it.
fn drop_object(export: Box<Export>) -> Option<Box<Export>> {
    let mut frame = DropFrame {
        drop_export: export.drop_export,
        data: export.data,
    };
    // SAFETY: the last proxy is gone, so the reference is dropped once.
    let status = unsafe {
        crate::crossing::cross_from_kernel(
            export.slot,
            export.generation,
            call_drop,
            (&raw mut frame).cast(),
        )
    };
    if status == CrossStatus::NoStack {
        return Some(export);
    }
    COUNT.fetch_sub(1, Ordering::Relaxed);
    None
}
