//! The services of the stand-in, served by `std`.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::string::String;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::vec::Vec;
use std::{eprintln, print, ptr, thread};

use abi::exchange::{ObjectHeader, ObjectKind, ProxyObject, RETURNED};
use abi::note::{DomainNote, Name};
use abi::services::{
    Audit, DeathNotice, DomainInfo, DropExport, EdgeInfo, ExchangeRequest, Services, StartRequest,
    ThreadFunction, TraceEvent,
};
use abi::status::{Answer, ServiceError};
use abi::target::{Target, TargetCell};
use abi::thread::{CrossTable, DomainSlot};

use super::control;

const HEADER: usize = size_of::<ObjectHeader>();
const UNSUPPORTED: Answer = ServiceError::Unsupported as Answer;

/// Every live object: payload address to the block it lies in.
static OBJECTS: Mutex<Option<HashMap<usize, (usize, Layout)>>> = Mutex::new(None);
/// Every domain there ever was.
static DOMAINS: Mutex<Vec<&'static DomainSlot>> = Mutex::new(Vec::new());
/// What an export record counts: its proxies.
struct Export {
    proxies: AtomicU64,
    drop_export: DropExport,
    is_promised: AtomicBool,
    is_abandoned: AtomicBool,
}
/// Waiters of all words share one condition.
static PARKED: Mutex<()> = Mutex::new(());
static WOKEN: Condvar = Condvar::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Objects that `owner` owns.
#[must_use]
pub fn objects_of(owner: u64) -> usize {
    with_objects(|objects| {
        objects
            .keys()
            .filter(|&&payload| owner_of(payload) == owner)
            .count()
    })
}

/// Makes all proxies for one object lead to another, as a supervisor does when
/// it has started a successor.
pub fn redirect<I: ?Sized + crate::Interface>(from: &crate::Proxy<I>, to: &crate::Proxy<I>) {
    // SAFETY: both are live proxies of one interface.
    unsafe { proxy_redirect(from.as_object(), to.as_object()) };
}

/// Says that the object of a dead domain has no successor.
pub fn abandon<I: ?Sized + crate::Interface>(proxy: &crate::Proxy<I>) {
    // SAFETY: a live proxy.
    unsafe { proxy_redirect(proxy.as_object(), ptr::null()) };
}

/// Promises a successor to the callers of an object, as a supervisor does.
pub fn promise<I: ?Sized + crate::Interface>(proxy: &crate::Proxy<I>) {
    // SAFETY: a live proxy.
    unsafe { proxy_promise(proxy.as_object()) };
}

/// Objects of all owners.
#[must_use]
pub fn total_objects() -> usize {
    with_objects(|objects| objects.len())
}

/// Notes a new domain, so that it can be asked whether it lives.
pub(super) fn register(slot: &'static DomainSlot) {
    lock(&DOMAINS).push(slot);
}

fn is_live(id: u64) -> bool {
    let domains = lock(&DOMAINS);
    let slot = domains
        .iter()
        .find(|slot| slot.id.load(Ordering::Relaxed) == id);
    slot.is_some_and(|slot| slot.live.load(Ordering::SeqCst) != 0)
}

/// Frees every object of a dead domain by its header, as the kernel does, or
/// gives it back to a living lender; how many there were.
pub fn reclaim(owner: u64) -> usize {
    let dead: Vec<usize> = with_objects(|objects| {
        objects
            .keys()
            .copied()
            .filter(|&payload| owner_of(payload) == owner)
            .collect()
    });
    for &payload in &dead {
        // SAFETY: the object is live and its owner is gone.
        unsafe {
            if !give_back(payload) {
                drop_object(payload as *mut u8);
            }
        }
    }
    dead.len()
}

fn with_objects<T>(look: impl FnOnce(&mut HashMap<usize, (usize, Layout)>) -> T) -> T {
    look(lock(&OBJECTS).get_or_insert_default())
}

fn header(payload: usize) -> *mut ObjectHeader {
    (payload - HEADER) as *mut ObjectHeader
}

fn owner_of(payload: usize) -> u64 {
    // SAFETY: called for keys of `OBJECTS`, which are live payloads.
    unsafe { (*header(payload)).owner.load(Ordering::Relaxed) }
}

/// Frees an object; for a proxy, lets go of its export first.
///
/// # Safety
/// `payload` is a live object nobody uses any more.
unsafe fn drop_object(payload: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        if (*header(payload as usize)).kind.load(Ordering::Relaxed) == ObjectKind::Proxy as u32 {
            proxy_drop(payload.cast());
        } else {
            exchange_free(payload);
        }
    }
}

fn current_id() -> u64 {
    // SAFETY: this thread's own block; slots live for ever.
    unsafe { (*(*control()).current).id.load(Ordering::Relaxed) }
}

fn allocate(request: &ExchangeRequest, kind: ObjectKind) -> *mut u8 {
    let align = request.align.max(64);
    let lead = align.max(HEADER);
    let Ok(layout) = Layout::from_size_align(lead + request.size, align) else {
        return ptr::null_mut();
    };
    // SAFETY: `layout` has room for the header before and `size` bytes after
    // `payload`.
    unsafe {
        let block = alloc(layout);
        if block.is_null() {
            return block;
        }
        let payload = block.add(lead);
        header(payload as usize).write(ObjectHeader {
            owner: AtomicU64::new(current_id()),
            lender: AtomicU64::new(0),
            fingerprint: request.fingerprint,
            size: request.size,
            length: request.length,
            kind: AtomicU32::new(kind as u32),
            class: 0,
            reserved: [0; 2],
        });
        let old =
            with_objects(|objects| objects.insert(payload as usize, (block as usize, layout)));
        assert!(old.is_none(), "an object lies on another");
        payload
    }
}

unsafe extern "sysv64" fn exchange_allocate(request: *const ExchangeRequest) -> *mut u8 {
    // SAFETY: the caller's promise.
    allocate(unsafe { &*request }, ObjectKind::Data)
}

/// Gives an object back to who lent it; false: nobody alive did.
///
/// # Safety
/// `payload` is a live object that its owner gives up.
unsafe fn give_back(payload: usize) -> bool {
    // One loan ends at a time.
    with_objects(|_| {
        // SAFETY: the caller's promise.
        let header = unsafe { &*header(payload) };
        let lender = header.lender.load(Ordering::SeqCst);
        if lender == 0 || lender == RETURNED || !is_live(lender) {
            return false;
        }
        header.owner.store(lender, Ordering::SeqCst);
        header.lender.store(RETURNED, Ordering::SeqCst);
        true
    })
}

unsafe extern "sysv64" fn exchange_end_loan(payload: *mut u8, forgive: u32) -> Answer {
    with_objects(|objects| {
        assert!(
            objects.contains_key(&(payload as usize)),
            "an object on loan is not freed while its lender lives"
        );
        // SAFETY: as just seen.
        let lender = unsafe { &(*header(payload as usize)).lender };
        let came_back = lender.load(Ordering::SeqCst) == RETURNED;
        if came_back || forgive != 0 {
            lender.store(0, Ordering::SeqCst);
        }
        came_back.into()
    })
}

unsafe extern "sysv64" fn exchange_free(payload: *mut u8) {
    // SAFETY: the caller's promise: a live object.
    if unsafe { give_back(payload as usize) } {
        return;
    }
    let (block, layout) = with_objects(|objects| objects.remove(&(payload as usize)))
        .expect("an exchange object is freed once");
    // SAFETY: `allocate` made it with this layout.
    unsafe { dealloc(block as *mut u8, layout) }
}

unsafe extern "sysv64" fn proxy_export(
    data: *const (),
    table: *const CrossTable,
    drop_export: DropExport,
    fingerprint: u64,
) -> *mut ProxyObject {
    let export = std::boxed::Box::new(Export {
        proxies: AtomicU64::new(0),
        drop_export,
        is_promised: AtomicBool::new(false),
        is_abandoned: AtomicBool::new(false),
    });
    // SAFETY: this thread's own block.
    let slot = unsafe { &*(*control()).current };
    new_proxy(ProxyObject {
        target: TargetCell::new(Target {
            slot,
            generation: slot.live.load(Ordering::SeqCst),
            data,
            table,
        }),
        export: std::boxed::Box::into_raw(export) as *const (),
        fingerprint,
        edge: 0,
        errors: 0,
    })
}

fn new_proxy(proxy: ProxyObject) -> *mut ProxyObject {
    let request = ExchangeRequest {
        size: size_of::<ProxyObject>(),
        align: 64,
        length: 1,
        fingerprint: proxy.fingerprint,
    };
    let place = allocate(&request, ObjectKind::Proxy).cast::<ProxyObject>();
    // SAFETY: a fresh object of this size; the export is live.
    unsafe {
        (*proxy.export.cast::<Export>())
            .proxies
            .fetch_add(1, Ordering::SeqCst);
        place.write(proxy);
    }
    place
}

unsafe extern "sysv64" fn proxy_clone(proxy: *const ProxyObject) -> *mut ProxyObject {
    // SAFETY: the caller's promise.
    new_proxy(unsafe { proxy.read() })
}

unsafe extern "sysv64" fn proxy_drop(proxy: *mut ProxyObject) {
    // SAFETY: the caller's promise: a live proxy, hence a live export.
    unsafe {
        let ProxyObject { target, export, .. } = proxy.read();
        let Target {
            slot,
            generation,
            data,
            ..
        } = target.read();
        exchange_free(proxy.cast());
        let export = export.cast_mut().cast::<Export>();
        if (*export).proxies.fetch_sub(1, Ordering::SeqCst) == 1 {
            let export = std::boxed::Box::from_raw(export);
            // No destructor of a dead domain runs.
            if (*slot).live.load(Ordering::SeqCst) == generation {
                let owner = super::Domain { slot: &*slot };
                owner.run(|| (export.drop_export)(data));
            }
        }
    }
}

extern "sysv64" fn pages_map(pages: usize) -> *mut u8 {
    match Layout::from_size_align(pages * abi::PAGE_SIZE, abi::PAGE_SIZE) {
        // SAFETY: the layout is not empty.
        Ok(layout) if pages > 0 => unsafe { alloc_zeroed(layout) },
        _ => ptr::null_mut(),
    }
}

unsafe extern "sysv64" fn pages_unmap(start: *mut u8, pages: usize) {
    let layout = Layout::from_size_align(pages * abi::PAGE_SIZE, abi::PAGE_SIZE)
        .expect("the layout `pages_map` used");
    // SAFETY: the caller's promise: whole pages of `pages_map`.
    unsafe { dealloc(start, layout) }
}

unsafe extern "sysv64" fn panic(message: *const u8, length: usize) -> ! {
    // SAFETY: the caller's promise: text for the length of the call.
    let text = unsafe { std::slice::from_raw_parts(message, length) };
    eprintln!("domain panicked: {}", String::from_utf8_lossy(text));
    std::process::abort()
}

extern "sysv64" fn exit(status: i32) -> ! {
    std::process::exit(status)
}

unsafe extern "sysv64" fn thread_spawn(
    function: ThreadFunction,
    argument: *mut (),
    _name: *const Name,
    _priority: u32,
    _stack_bytes: usize,
) -> Answer {
    let argument = argument as usize;
    // SAFETY: the caller's promise: `function` may run with `argument`, once,
    // on another thread.
    super::spawn(move || unsafe { function(argument as *mut ()) });
    1
}

extern "sysv64" fn cpu_number() -> u32 {
    0
}

extern "sysv64" fn cpu_count() -> u32 {
    1
}

extern "sysv64" fn thread_bind(mask: u64) -> Answer {
    if mask & 1 == 0 {
        return ServiceError::Invalid as Answer;
    }
    0
}

extern "sysv64" fn thread_yield() {
    thread::yield_now();
}

extern "sysv64" fn sleep_until(deadline_ns: u64) -> Answer {
    thread::sleep(Duration::from_nanos(deadline_ns.saturating_sub(clock_ns())));
    0
}

unsafe extern "sysv64" fn wait(word: *const AtomicU32, expected: u32, deadline_ns: u64) -> Answer {
    let parked = lock(&PARKED);
    // SAFETY: the caller's promise: the word lives for the call.
    if unsafe { (*word).load(Ordering::SeqCst) } != expected {
        return 0;
    }
    let left = Duration::from_nanos(deadline_ns.saturating_sub(clock_ns()));
    let (_parked, time_out) = WOKEN
        .wait_timeout(parked, left.min(Duration::from_secs(3600)))
        .unwrap_or_else(PoisonError::into_inner);
    if time_out.timed_out() {
        ServiceError::TimedOut as Answer
    } else {
        0
    }
}

unsafe extern "sysv64" fn wake(_word: *const AtomicU32, _count: u32) -> Answer {
    let _parked = lock(&PARKED);
    WOKEN.notify_all();
    1
}

extern "sysv64" fn clock_ns() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

extern "sysv64" fn wall_clock_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

unsafe extern "sysv64" fn random(buffer: *mut u8, length: usize) -> Answer {
    use std::hash::{BuildHasher, Hasher};
    // SAFETY: the caller's promise: room for `length` bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    for chunk in bytes.chunks_mut(8) {
        let word = std::hash::RandomState::new()
            .build_hasher()
            .finish()
            .to_ne_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    0
}

unsafe extern "sysv64" fn log(level: u32, text: *const u8, length: usize) {
    // SAFETY: the caller's promise: text for the length of the call.
    let text = unsafe { std::slice::from_raw_parts(text, length) };
    eprintln!("[{level}] {}", String::from_utf8_lossy(text));
}

extern "sysv64" fn log_flush() {}

unsafe extern "sysv64" fn log_read(_: u64, _: *mut u8, _: usize, _: *mut u64) -> Answer {
    UNSUPPORTED
}

unsafe extern "sysv64" fn console_write(text: *const u8, length: usize) -> Answer {
    // SAFETY: the caller's promise: text for the length of the call.
    let text = unsafe { std::slice::from_raw_parts(text, length) };
    print!("{}", String::from_utf8_lossy(text));
    Answer::try_from(length).unwrap_or(Answer::MAX)
}

unsafe extern "sysv64" fn console_read(_: *mut u8, _: usize, _: u64) -> Answer {
    0
}

unsafe extern "sysv64" fn image_open(_: *const u8, _: usize, _: *mut [u8; 160]) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn image_note(_: u64, _: *mut DomainNote) -> Answer {
    UNSUPPORTED
}
extern "sysv64" fn one_argument(_: u64) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn domain_start(_: *mut StartRequest) -> Answer {
    UNSUPPORTED
}
extern "sysv64" fn dma_allocate(pages: usize, _: u32) -> *mut u8 {
    pages_map(pages)
}
extern "sysv64" fn domain_inject(_: u64, _: u32, _: u64, _: u64) -> Answer {
    UNSUPPORTED
}
extern "sysv64" fn domain_order(_: u64, _: u32) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn edge_list(_: *mut EdgeInfo, _: usize) -> Answer {
    0
}

extern "sysv64" fn sampling_set(_: u32) -> Answer {
    0
}

extern "sysv64" fn trace_control(_: u32, _: u64) -> Answer {
    ServiceError::Unsupported as Answer
}

unsafe extern "sysv64" fn trace_read(_: usize, _: *mut TraceEvent, _: usize) -> Answer {
    0
}

unsafe extern "sysv64" fn domain_list(_: *mut DomainInfo, _: usize) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn domain_next_death(_: u64, _: u64, _: *mut DeathNotice) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn proxy_redirect_held(_: u64, _: *const ProxyObject) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn domain_wait_death(_: u64, _: u64, _: *mut DeathNotice) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn crash_record(_: u64, _: *mut u8, _: usize) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn audit(_: *mut Audit) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn boot_archive(_: *mut *const u8, _: *mut usize) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn pci_list(_: usize, _: *mut abi::device::PciInfo) -> Answer {
    UNSUPPORTED
}
extern "sysv64" fn pci_claim(_: u32) -> Answer {
    UNSUPPORTED
}
extern "sysv64" fn pci_two(_: u32, _: u32) -> Answer {
    UNSUPPORTED
}
extern "sysv64" fn pci_map_bar(_: u32, _: u32) -> *mut u8 {
    ptr::null_mut()
}
unsafe extern "sysv64" fn pci_set_stop(_: u32, _: *const abi::device::StopRecipe) -> Answer {
    UNSUPPORTED
}
extern "sysv64" fn interrupt_wait(_: u64, _: u64, _: u64) -> Answer {
    UNSUPPORTED
}
extern "sysv64" fn physical_address(address: *const u8) -> u64 {
    address as u64
}

unsafe extern "sysv64" fn proxy_redirect(from: *mut ProxyObject, to: *const ProxyObject) -> Answer {
    // SAFETY: the caller's promise: live proxies, hence live exports.
    let old_export = unsafe { (*from).export };
    if to.is_null() {
        // SAFETY: as above.
        unsafe { &*old_export.cast::<Export>() }
            .is_abandoned
            .store(true, Ordering::SeqCst);
        return notify_waiters(0);
    }
    // SAFETY: as above.
    let new = unsafe { to.read() };
    let moved = with_objects(|objects| {
        let mut moved = 0;
        for payload in objects.keys() {
            let proxy = *payload as *mut ProxyObject;
            // SAFETY: keys are live objects; the kind says what they are.
            unsafe {
                let kind = (*header(*payload)).kind.load(Ordering::SeqCst);
                let is_other = kind != ObjectKind::Proxy as u32 || proxy == from;
                if is_other || (*proxy).export != old_export {
                    continue;
                }
                (*proxy).target.write(&new.target.read());
                (*proxy).export = new.export;
            }
            moved += 1;
        }
        moved
    });
    // SAFETY: both exports are live: `from` and `to` refer to them.
    unsafe {
        (*old_export.cast::<Export>())
            .proxies
            .fetch_sub(moved, Ordering::SeqCst);
        (*new.export.cast::<Export>())
            .proxies
            .fetch_add(moved, Ordering::SeqCst);
    }
    notify_waiters(moved)
}

unsafe extern "sysv64" fn proxy_hold(_: *mut ProxyObject) -> Answer {
    UNSUPPORTED
}

fn notify_waiters(moved: u64) -> Answer {
    let _parked = lock(&PARKED);
    WOKEN.notify_all();
    Answer::try_from(moved).unwrap_or(Answer::MAX)
}

unsafe extern "sysv64" fn proxy_wait(
    proxy: *const ProxyObject,
    slot: *const DomainSlot,
    generation: u64,
    deadline_ns: u64,
) -> Answer {
    let mut parked = lock(&PARKED);
    loop {
        // SAFETY: the caller's promise: a live proxy, hence a live export.
        let (now, export) = unsafe {
            (
                (*proxy).target.read_life(),
                &*(*proxy).export.cast::<Export>(),
            )
        };
        if now != (generation, slot) {
            return Answer::try_from(clock_ns()).unwrap_or(Answer::MAX);
        }
        if export.is_abandoned.load(Ordering::SeqCst) {
            return ServiceError::NotFound as Answer;
        }
        let now_ns = clock_ns();
        if now_ns >= deadline_ns {
            return ServiceError::TimedOut as Answer;
        }
        let left = Duration::from_nanos(deadline_ns - now_ns).min(Duration::from_secs(3600));
        parked = WOKEN
            .wait_timeout(parked, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}
unsafe extern "sysv64" fn proxy_promise(proxy: *const ProxyObject) -> Answer {
    // SAFETY: the caller's promise: a live proxy, hence a live export.
    let export = unsafe { &*(*proxy).export.cast::<Export>() };
    export.is_promised.store(true, Ordering::SeqCst);
    0
}

unsafe extern "sysv64" fn proxy_wait_out(proxy: *const ProxyObject, deadline_ns: u64) -> Answer {
    let (generation, slot) = {
        let _parked = lock(&PARKED);
        // SAFETY: as above; a slot lives for ever.
        let export = unsafe { &*(*proxy).export.cast::<Export>() };
        if !export.is_promised.load(Ordering::SeqCst) {
            return UNSUPPORTED;
        }
        // SAFETY: as above.
        unsafe { (*proxy).target.read_life() }
    };
    // SAFETY: as above.
    let lives = unsafe { (*slot).live.load(Ordering::SeqCst) } == generation;
    if lives {
        return 0;
    }
    // SAFETY: the caller's promise; the slot was read from the proxy.
    unsafe { proxy_wait(proxy, slot, generation, deadline_ns) }
}

unsafe extern "sysv64" fn host_file_read(_: u64, _: u64, _: *mut u8, _: usize) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn host_file_write(_: u64, _: u64, _: *const u8, _: usize) -> Answer {
    UNSUPPORTED
}

/// The table.
pub fn table() -> &'static Services {
    static TABLE: Services = Services {
        abi_version: abi::ABI_VERSION,
        reserved: 0,
        pages_map,
        pages_unmap,
        exchange_allocate,
        exchange_free,
        exchange_end_loan,
        proxy_export,
        proxy_clone,
        proxy_drop,
        proxy_redirect,
        proxy_redirect_held,
        proxy_hold,
        proxy_wait,
        proxy_promise,
        proxy_wait_out,
        panic,
        exit,
        thread_spawn,
        thread_yield,
        cpu_number,
        cpu_count,
        thread_bind,
        sleep_until,
        wait,
        wake,
        clock_ns,
        wall_clock_ns,
        random,
        log,
        log_flush,
        log_read,
        console_write,
        console_write_error: console_write,
        console_read,
        image_open,
        image_note,
        image_close: one_argument,
        domain_start,
        domain_kill: domain_order,
        domain_is_called: one_argument,
        domain_inject,
        domain_leftovers: one_argument,
        domain_list,
        edge_list,
        sampling_set,
        trace_control,
        trace_read,
        domain_wait_death,
        domain_next_death,
        crash_record,
        audit,
        power_off: exit,
        boot_archive,
        pci_list,
        pci_claim,
        pci_read: pci_two,
        pci_map_bar,
        pci_set_stop,
        interrupt_bind: pci_two,
        interrupt_wait,
        physical_address,
        dma_allocate,
        dma_free: pages_unmap,
        host_file_size: one_argument,
        host_file_read,
        host_file_write,
        host_file_sync: one_argument,
    };
    &TABLE
}
