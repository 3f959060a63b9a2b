//! Whether any thread still holds a dying domain, asked of all CPUs.
//!
//! A domain is reclaimed when no thread's chain of continuations mentions it.
//! A thread that is switched out is looked at by whoever asks, its stack
//! claimed meanwhile. A thread that runs elsewhere is looked at by its CPU's
//! interrupt handler, where its chain is complete, and marked with the ticket
//! of the death if it is clear.
//!
//! Once clear, a thread stays clear: the domain's `live` word is 0, so no
//! crossing enters it, and only who executes in it makes threads that start in
//! it. An interrupted CPU is not between that word's check and the link of the
//! continuation, because the handler answers nothing inside the stub.
//!
//! **Invariant:** a thread is not marked clear of a death unless it was seen,
//! after the domain was marked dying, with a complete chain that does not
//! mention the domain.

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::thread::DomainSlot;

use crate::cpu::{self, Cpu};
use crate::crossing;
use crate::domain::Domain;
use crate::machine;
use crate::sync::{PreemptOff, SpinLock};
use crate::thread::{self, Thread, ThreadState};

/// How long the other CPUs are waited for at a time.
const ANSWER_NS: u64 = 200_000;

/// After how long a CPU that was inside the stub is interrupted again.
const ASK_AGAIN_NS: u64 = 20_000;

/// One scan at a time: a CPU has room for one question.
static ASKING: SpinLock<()> = SpinLock::new(());

static TICKETS: AtomicU64 = AtomicU64::new(0);

/// Answers for the thread that was interrupted on this CPU.
///
/// # Safety
/// Called from the interrupt handler of that CPU, with the thread's `gs`, not
/// interrupted inside the crossing stub.
pub(crate) unsafe fn answer(cpu: &Cpu) {
    let thread = thread::current();
    let control = thread.control();
    cpu.question.answer(|slot| {
        let slot = slot as *const DomainSlot;
        // SAFETY: the thread is interrupted, so its chain rests, and is complete
        // outside of the stub; who asks names a slot of the table's.
        unsafe {
            if !crossing::chain_holds((*control).current, (*control).chain, slot) {
                let ticket = crate::domain::of_slot(slot).death_ticket();
                thread.clear_of.store(ticket, Ordering::Release);
            }
        }
    });
}

/// Number of a death, for [`is_held`].
pub fn new_ticket() -> u64 {
    TICKETS.fetch_add(1, Ordering::SeqCst) + 1
}

/// Whether a thread may still hold a domain that is dying with `ticket`. To be
/// asked again later if so.
pub fn is_held(domain: &'static Domain, ticket: u64) -> bool {
    let asking = ASKING.lock();
    ask_others(domain.slot());
    let mut is_held = false;
    // The list is locked meanwhile: no thread is made by one seen clear later.
    thread::for_each(|thread| is_held = is_held || !is_clear(thread, domain, ticket));
    drop(asking);
    is_held
}

/// Looks at the chains of all threads that rest, and notes the dying domains they
/// mention; the number of the look. Any other domain is to be asked about.
pub fn look_around() -> u64 {
    let look = new_ticket();
    thread::for_each(|thread| {
        let is_over = thread.stack_range().is_empty() || thread.state() == ThreadState::Ended;
        if is_over || ptr::eq(thread, thread::current()) || !thread.try_claim() {
            return;
        }
        // SAFETY: switched out, and nobody runs it while it is claimed.
        unsafe {
            crossing::for_each_held(
                (*thread.control()).current,
                (*thread.control()).chain,
                |slot| {
                    let domain = crate::domain::of_slot(slot);
                    if (*slot).live.load(Ordering::Relaxed) == 0 {
                        domain.see_held(look);
                    }
                },
            );
        }
        thread.release();
    });
    look
}

/// Whether the current thread's chain mentions a domain.
pub fn is_held_here(domain: &'static Domain) -> bool {
    let control = thread::control();
    // SAFETY: the running thread's own chain.
    unsafe { crossing::chain_holds((*control).current, (*control).chain, domain.slot()) }
}

/// Whether a thread may be inside a domain on a call of another one's.
///
/// A thread that runs on another CPU is not looked into and counts as inside.
/// The domain's own threads do not.
pub fn is_called(domain: &'static Domain) -> bool {
    let mut is_called = false;
    thread::for_each(|thread| is_called = is_called || may_be_inside(thread, domain));
    is_called
}

fn may_be_inside(thread: &'static Thread, domain: &'static Domain) -> bool {
    if thread.stack_range().is_empty() || thread.state() == ThreadState::Ended {
        return false;
    }
    let is_this = ptr::eq(thread, thread::current());
    if !is_this && !thread.try_claim() {
        return true;
    }
    // SAFETY: the running thread's own chain, or that of one that is switched
    // out and stays so while it is claimed.
    let is_inside = unsafe { crossing::chain_calls((*thread.control()).chain, domain.slot()) };
    if !is_this {
        thread.release();
    }
    is_inside
}

fn ask_others(slot: &'static DomainSlot) {
    let preempt = PreemptOff::new();
    let this = cpu::current();
    // An idle thread never enters a domain.
    let is_busy = |cpu: &Cpu| cpu::idle_mask() & 1 << cpu.index == 0;
    for cpu in cpu::others(this).filter(|cpu| is_busy(cpu)) {
        cpu.question.ask(ptr::from_ref(slot).addr());
    }
    let give_up_ns = machine::get().now_ns() + ANSWER_NS;
    let mut ask_ns = 0;
    while cpu::others(this).any(|cpu| !cpu.question.is_answered()) {
        let now_ns = machine::get().now_ns();
        if now_ns > give_up_ns {
            break;
        }
        if now_ns >= ask_ns {
            interrupt_silent(this);
            ask_ns = now_ns + ASK_AGAIN_NS;
        }
        machine::get().relax();
    }
    cpu::others(this).for_each(|cpu| cpu.question.withdraw());
    drop(preempt);
}

fn interrupt_silent(this: &'static Cpu) {
    for cpu in cpu::others(this).filter(|cpu| !cpu.question.is_answered()) {
        machine::get().wake_cpu(cpu.index);
    }
}

fn is_clear(thread: &'static Thread, domain: &'static Domain, ticket: u64) -> bool {
    let never_enters = thread.stack_range().is_empty();
    if never_enters
        || thread.state() == ThreadState::Ended
        || thread.clear_of.load(Ordering::Acquire) == ticket
    {
        return true;
    }
    if ptr::eq(thread, thread::current()) {
        return !is_held_here(domain);
    }
    // Pre-emption is off (the list is locked), so no CPU waits for it for long.
    if !thread.try_claim() {
        return false;
    }
    let control = thread.control();
    // SAFETY: switched out, and nobody runs it while it is claimed.
    let is_clear = unsafe {
        !crossing::chain_holds((*control).current, (*control).chain, domain.slot())
            && !thread.starts_in(domain.id())
    };
    if is_clear {
        thread.clear_of.store(ticket, Ordering::Release);
    }
    thread.release();
    is_clear
}
