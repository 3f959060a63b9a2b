//! The services of the stand-in, served by `std`.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::string::String;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{eprintln, print, ptr, thread};

use abi::exchange::ProxyObject;
use abi::note::{DomainNote, Name};
use abi::services::{
    Audit, DeathNotice, DomainInfo, EdgeInfo, Services, StartRequest, ThreadFunction, TraceEvent,
};
use abi::status::{Answer, ServiceError};

use super::objects::{exchange_allocate, exchange_end_loan, exchange_free};
use super::proxies::{
    proxy_clone, proxy_drop, proxy_export, proxy_hold, proxy_promise, proxy_redirect, proxy_wait,
    proxy_wait_out,
};

pub(super) const UNSUPPORTED: Answer = ServiceError::Unsupported as Answer;

/// Waiters of all words share one condition.
pub(super) static PARKED: Mutex<()> = Mutex::new(());
pub(super) static WOKEN: Condvar = Condvar::new();

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

extern "sysv64" fn power_off(status: i32) -> Answer {
    exit(status)
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

pub(super) extern "sysv64" fn clock_ns() -> u64 {
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

unsafe extern "sysv64" fn console_read(_: *mut u64, _: *mut u8, _: usize, _: u64) -> Answer {
    0
}

unsafe extern "sysv64" fn image_open(_: *const u8, _: usize, _: *mut [u8; 160]) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn image_note(_: u64, _: *mut DomainNote) -> Answer {
    UNSUPPORTED
}
unsafe extern "sysv64" fn image_identity(_: u64, _: *mut abi::role::ImageIdentity) -> Answer {
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
extern "sysv64" fn dma_open(_: *const u8, _: usize, _: u32) -> Answer {
    0
}
extern "sysv64" fn dma_close(_: *const u8, _: usize) {}
extern "sysv64" fn dma_forget() -> Answer {
    0
}
extern "sysv64" fn physical_address(address: *const u8) -> u64 {
    address as u64
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
        image_identity,
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
        power_off,
        boot_archive,
        pci_list,
        pci_claim,
        pci_read: pci_two,
        pci_map_bar,
        pci_set_stop,
        interrupt_bind: pci_two,
        interrupt_wait,
        physical_address,
        dma_open,
        dma_close,
        dma_forget,
        dma_allocate,
        dma_free: pages_unmap,
        host_file_size: one_argument,
        host_file_read,
        host_file_write,
        host_file_sync: one_argument,
    };
    &TABLE
}
