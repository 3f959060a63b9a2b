//! Crossings recorded one by one, in a ring for each CPU.
//!
//! While a trace runs the crossing stub takes its slow way for every call and
//! [`record`] keeps those that concern one domain, or all. Each ring is written
//! by its CPU only; a reader takes what was recorded when the trace has ended.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use abi::services::TraceEvent;
use abi::status::ServiceError;
use abi::thread::{CrossStatus, DomainSlot};

use crate::cpu::{self, Cpu, MAX_CPUS};
use crate::memory::Frames;
use crate::sync::SpinLock;
use crate::{statistics, thread};

/// Events a CPU keeps; older ones are overwritten.
const EVENTS: usize = 16 * 1024;

static IS_ON: AtomicBool = AtomicBool::new(false);
/// Owner id of the domain that is traced; 0: all.
static WANTED: AtomicU64 = AtomicU64::new(0);
static RINGS: [Ring; MAX_CPUS] = [const { Ring::new() }; MAX_CPUS];
/// Memory of the rings, while there is any.
static MEMORY: SpinLock<[Option<Frames>; MAX_CPUS]> = SpinLock::new([const { None }; MAX_CPUS]);

#[repr(align(128))]
struct Ring {
    events: AtomicPtr<TraceEvent>,
    /// Events recorded since the trace began.
    count: AtomicUsize,
    /// Its CPU is writing.
    is_writing: AtomicBool,
}

impl Ring {
    const fn new() -> Self {
        Self {
            events: AtomicPtr::new(core::ptr::null_mut()),
            count: AtomicUsize::new(0),
            is_writing: AtomicBool::new(false),
        }
    }
}

/// Whether a trace runs.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Begins a trace of the calls into and out of a domain, 0: of all.
///
/// # Errors
/// `Busy` if one runs, `NoMemory`.
pub fn start(domain: u64) -> Result<(), ServiceError> {
    let mut memory = MEMORY.lock();
    if is_on() {
        return Err(ServiceError::Busy);
    }
    let pages = (EVENTS * size_of::<TraceEvent>()).div_ceil(abi::PAGE_SIZE);
    for cpu in 0..cpu::online() {
        if memory[cpu].is_none() {
            memory[cpu] = Some(Frames::new(pages).ok_or(ServiceError::NoMemory)?);
        }
        let events = memory[cpu].as_ref().map(Frames::direct);
        let events = events.unwrap_or(core::ptr::null_mut());
        RINGS[cpu].events.store(events.cast(), Ordering::Relaxed);
        RINGS[cpu].count.store(0, Ordering::Relaxed);
    }
    WANTED.store(domain, Ordering::Relaxed);
    IS_ON.store(true, Ordering::SeqCst);
    statistics::choose_interval();
    Ok(())
}

/// Ends the trace. What it recorded stays until [`discard`].
pub fn stop() {
    IS_ON.store(false, Ordering::SeqCst);
    statistics::choose_interval();
    for ring in &RINGS[..cpu::online()] {
        crate::sync::spin_until(|| !ring.is_writing.load(Ordering::SeqCst));
    }
}

/// Frees the rings of a trace that has ended.
pub fn discard() {
    let mut memory = MEMORY.lock();
    if is_on() {
        return;
    }
    for (ring, memory) in RINGS.iter().zip(memory.iter_mut()) {
        ring.events.store(core::ptr::null_mut(), Ordering::Relaxed);
        ring.count.store(0, Ordering::Relaxed);
        *memory = None;
    }
}

/// Records a call that the current thread made. Pre-emption is off.
pub(crate) fn record(
    cpu: &Cpu,
    start: u64,
    end: u64,
    callee: *const DomainSlot,
    status: CrossStatus,
) {
    let control = thread::control();
    // SAFETY: the running thread's own block; slots are never freed.
    let (caller, callee) = unsafe {
        let id = |slot: *const DomainSlot| (*slot).id.load(Ordering::Relaxed);
        (id((*control).current), id(callee))
    };
    let wanted = WANTED.load(Ordering::Relaxed);
    if wanted != 0 && wanted != caller && wanted != callee {
        return;
    }
    let ring = &RINGS[cpu.index];
    ring.is_writing.store(true, Ordering::SeqCst);
    let events = ring.events.load(Ordering::Relaxed);
    if is_on() && !events.is_null() {
        let count = ring.count.load(Ordering::Relaxed);
        // SAFETY: the ring has room for `EVENTS`, and only its CPU writes it;
        // it stays while somebody writes or a trace runs.
        unsafe {
            events.add(count % EVENTS).write(TraceEvent {
                start_ns: start,
                end_ns: end,
                caller,
                callee,
                thread: (*control).thread,
                cpu: cpu.index as u32,
                status: status as u32,
                reserved: 0,
            });
        }
        ring.count.store(count + 1, Ordering::Relaxed);
    }
    ring.is_writing.store(false, Ordering::SeqCst);
}

/// Copies events of the ended trace from number `from` on; how many. They come
/// CPU by CPU, each in order of their ends.
pub fn read(from: usize, into: &mut [TraceEvent]) -> usize {
    let memory = MEMORY.lock();
    let (mut skipped, mut copied) = (from, 0);
    for (ring, frames) in RINGS.iter().zip(memory.iter()) {
        let Some(frames) = frames.as_ref().filter(|_| !is_on()) else {
            continue;
        };
        let count = ring.count.load(Ordering::Relaxed);
        let kept = count.min(EVENTS);
        let first = count - kept;
        for number in (first..count).skip(skipped).take(into.len() - copied) {
            // SAFETY: the trace has ended, so nobody writes; the event was
            // written.
            let event = unsafe { *frames.direct().cast::<TraceEvent>().add(number % EVENTS) };
            into[copied] = TraceEvent {
                start_ns: statistics::moment(event.start_ns),
                end_ns: statistics::moment(event.end_ns),
                ..event
            };
            copied += 1;
        }
        skipped = skipped.saturating_sub(kept);
    }
    copied
}
