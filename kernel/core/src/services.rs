//! The services: each converts what domains pass and delegates.
//!
//! Each function here is an unsafe entry point of a few lines. [`service`]
//! brackets those that run kernel code at length: inside, the thread is not
//! unwound; at the end it leaves its domain if that one died meanwhile.
//!
//! Those that need a right are plain functions, which domains cannot reach:
//! `services/table.rs` puts the question in front of each.

use core::sync::atomic::AtomicU32;

use abi::death::DeathCause;
use abi::exchange::ProxyObject;
use abi::note::Name;
use abi::services::{DropExport, ExchangeRequest, ThreadFunction};
use abi::status::{Answer, ServiceError};
use abi::thread::{CrossTable, DomainSlot};

mod control;
mod devices;
mod table;

pub(crate) use self::table::TABLE;
pub use self::table::table;
use crate::domain::PagesError;
use crate::log::Speaker;
use crate::thread::control as thread_control;
use crate::{
    console, cpu, crossing, death, domain, exchange, export, fault, limits, machine, record,
    scheduler, thread, wait, watchdog,
};

/// Runs a service: not unwound inside, unwound at the end if need be.
#[inline]
fn service<R>(body: impl FnOnce() -> R) -> R {
    let control = thread_control();
    // SAFETY: the control block is the running thread's own.
    unsafe {
        if thread::stack_pointer() < (*control).stack_limit && (*control).kernel_depth == 0 {
            death::overflow();
        }
        (*control).kernel_depth += 1;
    }
    let result = body();
    // SAFETY: as above.
    let left = unsafe {
        (*control).kernel_depth -= 1;
        (*control).kernel_depth == 0
    };
    if left {
        fault::commit_pending();
        watchdog::look_if_due();
        crossing::unwind_if_dead();
    }
    result
}

/// Bytes that a service works on before its thread may leave it: a piece takes well
/// below 10 ms, also on an emulated processor.
const PIECE: usize = 16 << 10;

/// Runs a service on a domain's bytes, `most` at a time, until `body` has done less than
/// it was given, or fails: how many bytes. Each piece is a service of its own, so whoever
/// is killed, or runs out of time, ends between two of them.
///
/// # Errors
/// Those of `body`.
fn in_pieces(
    length: usize,
    most: usize,
    mut body: impl FnMut(core::ops::Range<usize>) -> Result<usize, ServiceError>,
) -> Result<u64, ServiceError> {
    let mut done = 0_usize;
    loop {
        let piece = done..length.min(done.saturating_add(most));
        let wanted = piece.len();
        let count = service(|| body(piece))?;
        done += count;
        if count < wanted || done >= length {
            return Ok(done as u64);
        }
    }
}

fn answer(result: Result<u64, ServiceError>) -> Answer {
    match result {
        Ok(value) => Answer::try_from(value).unwrap_or(Answer::MAX),
        Err(error) => error as Answer,
    }
}

fn done(result: Result<(), ServiceError>) -> Answer {
    answer(result.map(|()| 0))
}

/// A caller's bytes.
///
/// # Safety
/// `start` must be valid for `length` bytes for the length of the call.
unsafe fn bytes<'a>(start: *const u8, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's contract.
    unsafe { core::slice::from_raw_parts(start, length) }
}

/// A caller's buffer.
///
/// # Safety
/// As for [`bytes`], and nobody else may look at it.
unsafe fn buffer<'a>(start: *mut u8, length: usize) -> &'a mut [u8] {
    if length == 0 {
        return &mut [];
    }
    // SAFETY: the caller's contract.
    unsafe { core::slice::from_raw_parts_mut(start, length) }
}

pub(crate) extern "sysv64" fn pages_map(pages: usize) -> *mut u8 {
    let mapped = service(|| domain::current().map_pages(pages));
    match mapped {
        Ok(start) => start,
        Err(PagesError::NoMemory) => core::ptr::null_mut(),
        Err(PagesError::Quota) => death::end_current(DeathCause::MemoryQuota, b""),
    }
}

unsafe extern "sysv64" fn pages_unmap(start: *mut u8, _pages: usize) {
    service(|| domain::current().unmap_pages(start));
}

/// Makes sure that a service which does without [`service`] has enough stack.
#[inline]
fn check_stack() {
    // SAFETY: the control block is the running thread's own.
    if thread::stack_pointer() < unsafe { (*thread_control()).stack_limit } {
        death::overflow();
    }
}

unsafe extern "sysv64" fn exchange_allocate(request: *const ExchangeRequest) -> *mut u8 {
    check_stack();
    // SAFETY: the caller passes its request; the allocator keeps pre-emption off.
    unsafe { exchange::allocate(&*request, domain::current().id()) }
}

unsafe extern "sysv64" fn exchange_free(payload: *mut u8) {
    check_stack();
    // SAFETY: the caller owns the object and gives it up.
    unsafe { exchange::give_up(payload) }
}

unsafe extern "sysv64" fn exchange_end_loan(payload: *mut u8, forgive: u32) -> Answer {
    // SAFETY: the caller lent the object.
    let came_back = service(|| unsafe { exchange::end_loan(payload, forgive != 0) });
    came_back.into()
}

unsafe extern "sysv64" fn proxy_export(
    data: *const (),
    table: *const CrossTable,
    drop_export: DropExport,
    fingerprint: u64,
) -> *mut ProxyObject {
    // SAFETY: passed on from trusted code of the domain.
    service(|| unsafe { export::export(data, table, drop_export, fingerprint) })
}

unsafe extern "sysv64" fn proxy_clone(proxy: *const ProxyObject) -> *mut ProxyObject {
    // SAFETY: the caller holds the proxy.
    service(|| unsafe { export::clone(proxy) })
}

unsafe extern "sysv64" fn proxy_drop(proxy: *mut ProxyObject) {
    // SAFETY: the caller gives its proxy up.
    service(|| unsafe { export::release(proxy) });
}

unsafe fn proxy_redirect(from: *mut ProxyObject, to: *const ProxyObject) -> Answer {
    // SAFETY: the caller holds both proxies.
    answer(service(|| unsafe {
        if to.is_null() {
            export::abandon(from);
            return Ok(0);
        }
        export::redirect(from, to)
    }))
}

unsafe fn proxy_hold(proxy: *mut ProxyObject) -> Answer {
    // SAFETY: the caller holds the proxy.
    answer(service(|| Ok(unsafe { export::hold(proxy) })))
}

unsafe fn proxy_redirect_held(holder: u64, to: *const ProxyObject) -> Answer {
    // SAFETY: the caller holds the proxy.
    answer(service(|| Ok(unsafe { export::redirect_held(holder, to) })))
}

unsafe fn proxy_promise(proxy: *const ProxyObject) -> Answer {
    answer(service(|| {
        // SAFETY: the caller holds the proxy.
        unsafe { export::promise(proxy) };
        Ok(0)
    }))
}

unsafe extern "sysv64" fn proxy_wait_out(proxy: *const ProxyObject, deadline_ns: u64) -> Answer {
    // SAFETY: the caller holds the proxy.
    answer(service(|| unsafe { export::wait_out(proxy, deadline_ns) }))
}

unsafe extern "sysv64" fn proxy_wait(
    proxy: *const ProxyObject,
    slot: *const DomainSlot,
    generation: u64,
    deadline_ns: u64,
) -> Answer {
    // SAFETY: the caller holds the proxy; slots are never freed.
    answer(service(|| unsafe {
        export::wait_for_successor(proxy, &*slot, generation, deadline_ns)
    }))
}

unsafe extern "sysv64" fn panic(message: *const u8, length: usize) -> ! {
    check_stack();
    // SAFETY: the message lies on the panicking thread's stack.
    death::panicked(unsafe { bytes(message, length) })
}

extern "sysv64" fn exit(status: i32) -> ! {
    check_stack();
    let domain = domain::current();
    domain.with(|body| body.last_exit = Some((domain.id(), status)));
    death::end_current(DeathCause::Exit, b"")
}

unsafe extern "sysv64" fn thread_spawn(
    function: ThreadFunction,
    argument: *mut (),
    name: *const Name,
    priority: u32,
    stack_bytes: usize,
) -> Answer {
    answer(service(|| {
        let home = domain::current();
        if !limits::may_spawn(home, thread::stack_bytes(stack_bytes)) {
            return Err(ServiceError::NoMemory);
        }
        // The supervisor comes before what it has to end.
        let priority = match domain::is_supervisor(home) {
            true if priority >= thread::PRIORITY_HIGH => thread::PRIORITY_SYSTEM,
            _ => priority.min(thread::PRIORITY_HIGH),
        };
        // SAFETY: the caller passes its name and a function of its own.
        let spawned = unsafe {
            thread::spawn(&thread::Spawn {
                name: record::printable(*name),
                priority,
                slot: home.slot(),
                generation: home.generation(),
                home: home.id(),
                function,
                argument,
                stack_bytes,
            })
        };
        spawned.map(|thread| u64::from(thread.number))
    }))
}

extern "sysv64" fn cpu_number() -> u32 {
    u32::try_from(cpu::index()).unwrap_or(0)
}

extern "sysv64" fn cpu_count() -> u32 {
    u32::try_from(cpu::online()).unwrap_or(1)
}

extern "sysv64" fn thread_bind(mask: u64) -> Answer {
    done(service(|| {
        // A callee does not say where its caller goes on.
        if thread::current().home != domain::current().id() {
            return Err(ServiceError::Denied);
        }
        scheduler::bind(mask)
    }))
}

extern "sysv64" fn thread_yield() {
    service(scheduler::yield_now);
}

extern "sysv64" fn sleep_until(deadline_ns: u64) -> Answer {
    done(service(|| scheduler::sleep_until(deadline_ns)))
}

unsafe extern "sysv64" fn wait_word(
    word: *const AtomicU32,
    expected: u32,
    deadline_ns: u64,
) -> Answer {
    done(service(|| {
        // SAFETY: the caller's word.
        let word = unsafe { &*word };
        wait::wait(word, expected, deadline_ns)
    }))
}

unsafe extern "sysv64" fn wake_word(word: *const AtomicU32, count: u32) -> Answer {
    answer(service(|| {
        // SAFETY: the caller's word.
        let word = unsafe { &*word };
        Ok(u64::from(wait::wake(word, count)))
    }))
}

extern "sysv64" fn clock_ns() -> u64 {
    service(|| machine::get().now_ns())
}

extern "sysv64" fn wall_clock_ns() -> u64 {
    service(|| machine::get().wall_clock_ns())
}

unsafe extern "sysv64" fn random(start: *mut u8, length: usize) -> Answer {
    // SAFETY: the caller's buffer.
    let buffer = unsafe { buffer(start, length) };
    let filled = in_pieces(length, PIECE, |piece| {
        let wanted = piece.len();
        machine::get().random(&mut buffer[piece]);
        Ok(wanted)
    });
    done(filled.map(drop))
}

unsafe extern "sysv64" fn log(level: u32, text: *const u8, length: usize) {
    service(|| {
        let domain = domain::current();
        if !limits::may_log(domain) {
            return;
        }
        // SAFETY: the caller's text.
        let text = crate::log::text_of(unsafe { bytes(text, length) });
        let name = domain.with(|body| body.name);
        let level = match level {
            1 => log::Level::Error,
            2 => log::Level::Warn,
            _ => log::Level::Info,
        };
        let speaker = match domain::is_supervisor(domain) {
            true => Speaker::System,
            false => Speaker::Domain,
        };
        crate::log::write_line(
            speaker,
            level,
            format_args!("{}: {text}", record::name_text(&name)),
        );
    });
}

extern "sysv64" fn log_flush() {
    service(crate::log::flush);
}

unsafe fn log_read(from: u64, start: *mut u8, length: usize, next: *mut u64) -> Answer {
    // SAFETY: the caller's buffer.
    let buffer = unsafe { buffer(start, length) };
    let mut position = from;
    let count = in_pieces(length, PIECE, |piece| {
        let (count, after) = crate::log::read(position, &mut buffer[piece]);
        position = after;
        Ok(count)
    });
    // SAFETY: the caller's word.
    unsafe { next.write(position) };
    answer(count)
}

/// Writes text by lines at most, which is what a serial line takes 10 ms for.
fn write_in_pieces(text: &[u8], write: impl Fn(&[u8])) -> Result<u64, ServiceError> {
    for piece in text.chunks(console::WRITE_CHUNK) {
        service(|| write(piece));
    }
    Ok(text.len() as u64)
}

unsafe fn console_write(text: *const u8, length: usize) -> Answer {
    // SAFETY: the caller's text.
    answer(write_in_pieces(
        unsafe { bytes(text, length) },
        console::write,
    ))
}

unsafe fn console_write_error(text: *const u8, length: usize) -> Answer {
    // SAFETY: the caller's text.
    answer(write_in_pieces(
        unsafe { bytes(text, length) },
        console::write_error,
    ))
}

unsafe fn console_read(
    position: *mut u64,
    start: *mut u8,
    length: usize,
    deadline_ns: u64,
) -> Answer {
    answer(service(|| {
        // SAFETY: the caller's word and buffer.
        let (position, into) = unsafe { (&mut *position, buffer(start, length)) };
        console::read(position, into, deadline_ns).map(|count| count as u64)
    }))
}
