//! Whether any thread still holds a dying domain, asked of all CPUs.
//!
//! A domain is reclaimed when no thread's chain of continuations mentions it. Looks
//! at all threads are numbered, and deaths are among them. A look notes, with each
//! dying domain that a chain mentions, that it was seen held, and with the thread
//! that it was looked at. A thread that is switched out is looked at by whoever
//! asks, its stack claimed meanwhile; one that runs elsewhere by its CPU's interrupt
//! handler, where its chain is complete, in its own time: until a CPU has answered, its
//! thread is left with an older look. So one look is enough for all the
//! domains that are dying, however many they are.
//!
//! A domain is clear if every thread was looked at after its death and after it was
//! last seen held. Once clear, a thread stays clear: the domain's `live` word is 0,
//! so no crossing enters it, and only who executes in it makes threads that start in
//! it. An interrupted CPU is not between that word's check and the link of the
//! continuation, because the handler answers nothing inside the stub.
//!
//! **Invariant:** a thread's look is noted after what it was seen to hold.

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

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

/// One look at a time: a CPU has room for one question.
static ASKING: SpinLock<()> = SpinLock::new(());

/// Looks and deaths so far.
static TICKETS: AtomicU64 = AtomicU64::new(0);

/// Answers for the thread that was interrupted on this CPU.
///
/// # Safety
/// Called from the interrupt handler of that CPU, with the thread's `gs`, not
/// interrupted inside the crossing stub.
pub(crate) unsafe fn answer(cpu: &Cpu) {
    cpu.question.answer(|look| {
        // SAFETY: the thread is interrupted, so its chain rests, and is complete
        // outside of the stub.
        unsafe { look_at(thread::current(), look) }
    });
}

/// Number of a look, or of a death that no look before it saw.
pub fn new_ticket() -> u64 {
    TICKETS.fetch_add(1, Ordering::SeqCst) + 1
}

/// Looks at all threads; the number of a look since which each of them was looked
/// at, for [`Domain::is_clear`].
pub fn look_around() -> u64 {
    let asking = ASKING.lock();
    let look = new_ticket();
    ask_others(look);
    let mut oldest = look;
    // The list is locked meanwhile: no thread is made by one seen clear later.
    thread::for_each(|thread| oldest = oldest.min(last_look(thread, look)));
    drop(asking);
    oldest
}

/// Looks at a thread, if it rests; the number of the last look at it.
fn last_look(thread: &'static Thread, look: u64) -> u64 {
    let never_enters = thread.stack_range().is_empty();
    if never_enters || thread.state() == ThreadState::Ended {
        return look;
    }
    if ptr::eq(thread, thread::current()) {
        // SAFETY: the running thread's own chain.
        unsafe { look_at(thread, look) }
        return look;
    }
    // Pre-emption is off (the list is locked), so no CPU waits for it for long.
    if !thread.try_claim() {
        return thread.looked.load(Ordering::Acquire);
    }
    // SAFETY: switched out, and nobody runs it while it is claimed.
    unsafe {
        see_start(thread, look);
        look_at(thread, look);
    }
    thread.release();
    look
}

/// Notes the dying domains that a thread's chain mentions, then that it was looked
/// at.
///
/// # Safety
/// The thread must not be running, or be the current one, outside of the stub.
unsafe fn look_at(thread: &Thread, look: u64) {
    let control = thread.control();
    // SAFETY: the caller's contract; continuations name slots of the table.
    unsafe {
        crossing::for_each_held((*control).current, (*control).chain, |slot| {
            if (*slot).live.load(Ordering::Relaxed) == 0 {
                crate::domain::of_slot(slot).see_held(look);
            }
        });
    }
    thread.looked.fetch_max(look, Ordering::Release);
}

/// Notes the domain that a thread has yet to enter for the first time.
///
/// # Safety
/// The thread must not be running.
unsafe fn see_start(thread: &Thread, look: u64) {
    // SAFETY: the caller's contract.
    if unsafe { thread.has_started() } {
        return;
    }
    if let Some(domain) = crate::domain::slot_of(thread.home) {
        domain.see_held(look);
    }
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

/// Asks the CPUs that execute something else than their idle thread, and waits for
/// their answers for a while. A CPU that a busy host does not let run answers when it
/// runs again: late, and in time for a later look.
fn ask_others(look: u64) {
    let preempt = PreemptOff::new();
    let this = cpu::current();
    let idle = cpu::idle_mask();
    for cpu in cpu::others(this) {
        // An idle thread never enters a domain.
        if idle & 1 << cpu.index == 0 {
            cpu.question.ask(look);
        } else {
            cpu.question.withdraw();
        }
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
    drop(preempt);
}

fn interrupt_silent(this: &'static Cpu) {
    for cpu in cpu::others(this).filter(|cpu| !cpu.question.is_answered()) {
        machine::get().wake_cpu(cpu.index);
    }
}
