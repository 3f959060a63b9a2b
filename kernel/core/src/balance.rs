//! Where threads run: placed where they ran last, given away when they wait.
//!
//! A thread goes into the queue of the CPU it ran on, where its memory is in
//! the cache and where whoever woke it often blocks next. Two things move it:
//! a CPU with nothing to do takes a thread that waits elsewhere ([`steal`]),
//! and a CPU in whose queue threads have waited for [`PATIENCE_NS`] gives them
//! to idle CPUs ([`hand_out`]), which would otherwise sleep on.
//!
//! **Invariant:** a CPU takes only threads that it can claim at once, so none
//! waits for another's switch: a thread may be queued anywhere while the CPU it
//! ran on is not done with it yet.

use core::sync::atomic::Ordering;

use crate::cpu::{self, Cpu};
use crate::machine;
use crate::ready;
use crate::scheduler::{arm_timer, request_work};
use crate::thread::Thread;

/// Nanoseconds a thread waits before it is given to an idle CPU. Less than a
/// slice; more than it takes whoever woke it to block.
const PATIENCE_NS: u64 = 100_000;

/// Puts a ready thread into a queue. Pre-emption is off.
pub(crate) fn enqueue(thread: &'static Thread) {
    let here = cpu::current();
    let last = cpu::get(thread.cpu.load(Ordering::Relaxed));
    let is_allowed = thread.may_run_on(last.index);
    let is_near = core::ptr::eq(last, here);
    let is_idle = cpu::idle_mask() & 1 << last.index != 0;
    if is_allowed && (is_near || is_idle) {
        return put(thread, last, here);
    }
    // Another CPU must be told anyway: then rather an idle one.
    let target = idle_for(thread).or_else(|| (!is_allowed).then(|| allowed_for(thread)));
    put(thread, target.unwrap_or(last), here);
}

/// Sends the current thread, which is ready, to a CPU it may run on.
/// Pre-emption is off, and the caller switches away.
pub(crate) fn leave(thread: &'static Thread) {
    let target = idle_for(thread).unwrap_or_else(|| allowed_for(thread));
    put(thread, target, cpu::current());
}

fn put(thread: &'static Thread, target: &'static Cpu, here: &'static Cpu) {
    thread.cpu.store(target.index, Ordering::Relaxed);
    let is_urgent = target.ready.add(thread);
    if core::ptr::eq(target, here) {
        request_work();
        note_waiting(here);
    } else if is_urgent {
        machine::get().wake_cpu(target.index);
    }
}

/// Makes sure that what waits in this CPU's queue is given away in time.
pub(crate) fn note_waiting(cpu: &Cpu) {
    let others = cpu::idle_mask() & !(1 << cpu.index);
    if others == 0 || cpu.balance_ns.load(Ordering::Relaxed) != u64::MAX {
        return;
    }
    let deadline = machine::get().now_ns() + PATIENCE_NS;
    cpu.balance_ns.store(deadline, Ordering::Relaxed);
    arm_timer(cpu, deadline);
}

/// Gives threads that waited for long to idle CPUs, one each. Pre-emption is
/// off and the timer has fired.
pub(crate) fn balance(cpu: &'static Cpu, now_ns: u64) {
    if now_ns < cpu.balance_ns.load(Ordering::Relaxed) {
        return;
    }
    cpu.balance_ns.store(u64::MAX, Ordering::Relaxed);
    let mut idle = cpu::idle_mask() & !(1 << cpu.index);
    while idle != 0 {
        let target = cpu::get(idle.trailing_zeros() as usize);
        idle &= idle - 1;
        hand_out(cpu, target);
    }
    if cpu.ready.has_waiting() {
        note_waiting(cpu);
    }
}

fn hand_out(from: &'static Cpu, target: &'static Cpu) {
    let is_wanted = |thread: &Thread| thread.may_run_on(target.index);
    if let Some(thread) = from.ready.take_waiting(is_wanted) {
        put(thread, target, from);
    }
}

/// Takes a thread that waits on another CPU; it is claimed for this one.
pub(crate) fn steal(thief: &'static Cpu) -> Option<&'static Thread> {
    let online = cpu::online();
    let victims = (1..online).map(|step| cpu::get((thief.index + step) % online));
    ready::steal(thief.index, victims.map(|victim| &victim.ready))
}

fn idle_for(thread: &Thread) -> Option<&'static Cpu> {
    let idle = cpu::idle_mask() & thread.allowed.load(Ordering::Relaxed);
    (idle != 0).then(|| cpu::get(idle.trailing_zeros() as usize))
}

/// Some CPU that the thread may run on; [`crate::scheduler::bind`] has
/// seen to it that there is one.
fn allowed_for(thread: &Thread) -> &'static Cpu {
    let first = (0..cpu::online()).find(|&index| thread.may_run_on(index));
    cpu::get(first.unwrap_or(0))
}
