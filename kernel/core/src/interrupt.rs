//! How interrupts and exceptions reach the kernel: noted, then handled by the
//! interrupted thread itself.
//!
//! A machine's handler runs on an interrupt stack and calls [`on_interrupt`] or
//! [`on_exception`], which never reschedule. They note the event in atomics
//! and, where the interrupted thread may be disturbed, change the context so
//! that it returns into a trampoline on the thread's own stack. All kernel
//! work is thus done in thread context and needs no interrupt-safe lock.

/// Something that interrupted a CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The timer set by [`crate::machine::Machine::set_timer`].
    Timer,
    /// Another CPU called [`crate::machine::Machine::wake_cpu`].
    Wake,
    /// Console input may be at hand.
    Console,
    /// A device, with its vector.
    Device(usize),
}

/// A CPU exception.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exception {
    /// Page fault at this address.
    PageFault(usize),
    /// The page at this address has a protection key that forbids the access.
    ProtectionKey(usize),
    /// Undefined instruction.
    InvalidOpcode,
    /// Division by zero or overflow.
    DivideError,
    /// Breakpoint instruction.
    Breakpoint,
    /// Any other, by vector number.
    Other(u8),
}

/// The interrupted registers the kernel core looks at and may change.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted {
    /// Instruction pointer.
    pub rip: usize,
    /// Stack pointer.
    pub rsp: usize,
    /// Frame pointer.
    pub rbp: usize,
    /// First argument register: the core sets it when it redirects.
    pub rdi: usize,
}

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::death::DeathCause;

use crate::context::{self, Disturbed};
use crate::thread::{self, Thread, control};
use crate::{cpu, crossing, death, fault, scan, scheduler, watchdog};

/// Most device vectors a machine may offer.
pub const MAX_VECTORS: usize = 256;

static CONSOLE: AtomicBool = AtomicBool::new(false);
static DEVICES: [AtomicU64; MAX_VECTORS / 64] = [const { AtomicU64::new(0) }; MAX_VECTORS / 64];

/// Vectors that came and cannot have been raised by what they stand for.
static SPURIOUS: [AtomicU64; MAX_VECTORS / 64] = [const { AtomicU64::new(0) }; MAX_VECTORS / 64];

/// Those that were logged; a device that goes on forging is not logged again.
static SAID: [AtomicU64; MAX_VECTORS / 64] = [const { AtomicU64::new(0) }; MAX_VECTORS / 64];

/// Notes an interrupt that nothing can have raised but a message that a device forged;
/// it is logged when there is a thread to do so. In any context.
pub fn note_spurious(vector: u8) {
    let vector = usize::from(vector);
    SPURIOUS[vector / 64].fetch_or(1 << (vector % 64), Ordering::Relaxed);
}

/// Takes the numbers that were noted in such a set.
fn take_noted(noted: &[AtomicU64], mut each: impl FnMut(usize)) {
    for (index, word) in noted.iter().enumerate() {
        let mut bits = if word.load(Ordering::Relaxed) == 0 {
            0
        } else {
            word.swap(0, Ordering::AcqRel)
        };
        while bits != 0 {
            each(index * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

/// Notes an event and, if the thread may be disturbed, makes it do the work.
///
/// # Safety
/// Called by the machine from an interrupt stack, with gs of the interrupted
/// thread; `context` is written back into the interrupted registers.
pub unsafe fn on_interrupt(event: Event, context: &mut Interrupted) {
    let control = control();
    // SAFETY: the interrupted thread's control block; this CPU's data.
    let cpu = unsafe { &*(*control).cpu.cast::<cpu::Cpu>() };
    cpu.interrupts.fetch_add(1, Ordering::Relaxed);
    match event {
        Event::Timer => {
            cpu.timer_ns.store(u64::MAX, Ordering::Relaxed);
            cpu.timer_fired.store(true, Ordering::Release);
        }
        Event::Wake => {}
        Event::Console => CONSOLE.store(true, Ordering::Release),
        Event::Device(vector) => {
            if let Some(word) = DEVICES.get(vector / 64) {
                word.fetch_or(1 << (vector % 64), Ordering::AcqRel);
            }
        }
    }
    // SAFETY: the interrupted thread's control block.
    let is_held = unsafe {
        (*control).work_pending.store(1, Ordering::Release);
        (*control).preempt_off != 0
    };
    let is_in_stub = crossing::is_in_stub(context.rip);
    if !is_in_stub {
        // SAFETY: in the handler, outside of the stub.
        unsafe { scan::answer(cpu) };
    }
    if is_held || is_in_stub {
        // Whoever turned pre-emption off may be a domain's trusted code, which
        // does not look for work: come back soon.
        cpu.timer_fired.store(true, Ordering::Release);
        return scheduler::retry_soon(cpu);
    }
    let thread = thread::current();
    if has_room(thread, context.rsp) {
        // SAFETY: the stack has room below the red zone.
        unsafe { redirect(context) };
    } else if is_domain_code(context.rip) {
        // SAFETY: the thread executes in a domain, with nothing of the kernel's.
        unsafe { death::strike(thread, DeathCause::StackOverflow, context.rsp, context) };
    } else {
        scheduler::retry_soon(cpu);
    }
}

fn has_room(thread: &Thread, rsp: usize) -> bool {
    let stack = thread.stack_range();
    stack.is_empty() || rsp.saturating_sub(context::disturbance_bytes()) > stack.start
}

/// Makes the thread "return" into the trampoline, below its red zone.
///
/// # Safety
/// The words below the red zone must be free stack.
unsafe fn redirect(context: &mut Interrupted) {
    let word = context.rsp - 128 - 8;
    // SAFETY: the caller's contract.
    unsafe { (word as *mut usize).write(context.rip) };
    context.rsp = word;
    context.rip = context::trampoline();
}

/// What the trampoline calls, on the interrupted thread's stack.
pub(crate) extern "sysv64" fn disturbed(frame: &Disturbed) {
    crate::inject::meet();
    scheduler::deferred_work();
    if scheduler::is_in_kernel() {
        return watchdog::look_later();
    }
    if crossing::is_in_stub(frame.rip) {
        return;
    }
    fault::commit_pending();
    watchdog::look();
    crossing::unwind_if_dead();
}

/// Hands noted events to who waits for them. In thread context.
pub(crate) fn deliver() {
    if CONSOLE.swap(false, Ordering::AcqRel) {
        crate::console::input_arrived();
    }
    take_noted(&DEVICES, crate::device::interrupt_arrived);
    take_noted(&SPURIOUS, |vector| {
        let bit = 1 << (vector % 64);
        let is_first = SAID[vector / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0;
        if is_first {
            log::warn!("interrupt: vector {vector} came, which no device may raise: ignored");
        }
    });
}

/// Whether the current thread, stopped at `rip`, executes in a domain and
/// holds nothing of the kernel's.
fn is_domain_code(rip: usize) -> bool {
    is_domain_thread(rip) && (!crate::boot::is_kernel_text(rip) || fault::is_injected(rip))
}

/// Whether the current thread, stopped at `rip`, holds nothing of the kernel's
/// and may leave its domain.
fn is_domain_thread(rip: usize) -> bool {
    let control = control();
    // SAFETY: the interrupted thread's control block.
    let is_kernel = unsafe {
        (*control).kernel_depth != 0
            || (*control).preempt_off != 0
            || (*control).current == crate::domain::kernel_slot()
    };
    !is_kernel && !crossing::is_in_stub(rip)
}

/// Ends the domain that raised an exception, or the kernel if it did.
///
/// # Safety
/// As for [`on_interrupt`].
pub unsafe fn on_exception(exception: Exception, context: &mut Interrupted) {
    let thread = thread::current();
    let is_guard = matches!(exception, Exception::PageFault(at) if thread.is_in_guard(at));
    let (cause, address) = match exception {
        Exception::PageFault(address) if thread.is_in_guard(address) => {
            (DeathCause::StackOverflow, address)
        }
        Exception::PageFault(address) => (DeathCause::PageFault, address),
        Exception::ProtectionKey(address) => (DeathCause::ProtectionKey, address),
        Exception::InvalidOpcode => (DeathCause::InvalidOpcode, context.rip),
        Exception::DivideError => (DeathCause::DivideError, context.rip),
        Exception::Breakpoint => (DeathCause::InvalidOpcode, context.rip),
        Exception::Other(_) => (DeathCause::Protection, context.rip),
    };
    // A service finds out that there is too little stack for it, or its first
    // instructions do: it holds nothing then.
    let is_domain = is_domain_code(context.rip) || (is_guard && is_domain_thread(context.rip));
    if !is_domain {
        crate::panic::exception(exception, context);
    }
    // SAFETY: checked above: the thread executes in a domain.
    unsafe { death::strike(thread, cause, address, context) };
}
