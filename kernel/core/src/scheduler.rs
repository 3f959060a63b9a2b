//! Who runs next on a CPU: blocking, waking, switching, pre-emption.
//!
//! [`crate::balance`] decides on which CPU, [`crate::run_state`] makes sure
//! that no wake-up is lost, [`crate::timers`] knows who waits for a moment.

use core::sync::atomic::Ordering;

use abi::status::ServiceError;

use crate::balance;
use crate::cpu::{self, Cpu};
use crate::machine;
use crate::sync::PreemptOff;
use crate::thread::{self, PRIORITY_KERNEL, Thread, control};

/// Nanoseconds a thread runs before another of its priority gets its turn.
pub const SLICE_NS: u64 = 4_000_000;

/// Nanoseconds after which a disturbance that came at a bad moment is retried.
const RETRY_NS: u64 = 200_000;

/// Whether the current thread executes a kernel service.
#[must_use]
pub fn is_in_kernel() -> bool {
    // SAFETY: the control block is the running thread's own.
    unsafe { (*control()).kernel_depth != 0 }
}

/// Whether the current thread is to leave its service early, because a fault
/// was injected into it or its domain is dying.
#[must_use]
pub fn was_disturbed() -> bool {
    thread::current().injected.load(Ordering::Relaxed) != 0 || crate::crossing::is_current_dead()
}

/// Puts a new thread into the queue of this CPU.
pub(crate) fn enqueue_new(thread: &'static Thread) {
    let preempt = PreemptOff::new();
    thread.cpu.store(cpu::index(), Ordering::Relaxed);
    balance::enqueue(thread);
    drop(preempt);
}

/// Makes the current thread look for work when pre-emption is on again.
pub(crate) fn request_work() {
    // SAFETY: the control block is the running thread's own.
    unsafe { (*control()).work_pending.store(1, Ordering::Relaxed) }
}

/// Wakes a thread that blocks or is about to.
pub fn wake(thread: &'static Thread) {
    let preempt = PreemptOff::new();
    if thread.state.wake() {
        balance::enqueue(thread);
    }
    drop(preempt);
}

/// Blocks the current thread until it is woken; may return early.
pub fn block() {
    let preempt = PreemptOff::new();
    let thread = thread::current();
    // Before it blocks: who wakes it puts it into the queue that it belongs in then.
    let urgency = thread.refresh();
    if thread.state.try_block() {
        switch_away();
        thread.note_rest();
    } else {
        thread.stay_tired(urgency);
    }
    drop(preempt);
}

/// Blocks until woken or until the clock shows `deadline_ns`; may return early.
pub fn block_until(deadline_ns: u64) {
    if deadline_ns == u64::MAX {
        return block();
    }
    let preempt = PreemptOff::new();
    // The thread may run elsewhere afterwards; its entry stays here.
    let cpu = cpu::current();
    cpu.timers.insert(deadline_ns, thread::current());
    arm_timer(cpu, deadline_ns);
    drop(preempt);
    block();
    cpu.timers.remove(thread::current());
}

/// Sleeps until the clock shows `deadline_ns`.
///
/// # Errors
/// `Interrupted` when the thread's domain is dying.
pub fn sleep_until(deadline_ns: u64) -> Result<(), ServiceError> {
    while machine::get().now_ns() < deadline_ns {
        if was_disturbed() {
            return Err(ServiceError::Interrupted);
        }
        block_until(deadline_ns);
    }
    Ok(())
}

/// Binds the current thread to CPUs, a bit each; it moves at its next turn.
///
/// # Errors
/// `Invalid` if none of the CPUs is there.
pub fn bind(mask: u64) -> Result<(), ServiceError> {
    let there = match cpu::online() {
        64.. => u64::MAX,
        online => (1 << online) - 1,
    };
    if mask & there == 0 {
        return Err(ServiceError::Invalid);
    }
    thread::current().allowed.store(mask, Ordering::Relaxed);
    let preempt = PreemptOff::new();
    let thread = thread::current();
    if !thread.may_run_on(cpu::index()) {
        thread.state.make_ready();
        balance::leave(thread);
        switch_away();
    }
    drop(preempt);
    Ok(())
}

/// Lets another ready thread run that is as urgent or more.
pub fn yield_now() {
    let preempt = PreemptOff::new();
    let thread = thread::current();
    let cpu = cpu::current();
    if cpu.ready.has(thread.urgency()) {
        requeue_and_switch(thread);
    }
    drop(preempt);
}

fn requeue_and_switch(thread: &'static Thread) {
    let cpu = cpu::current();
    if is_idle_thread(cpu, thread) {
        return switch_away();
    }
    thread.state.make_ready();
    cpu.ready.add(thread);
    balance::note_waiting(cpu);
    switch_away();
}

fn is_idle_thread(cpu: &Cpu, thread: &Thread) -> bool {
    core::ptr::eq(cpu.idle.load(Ordering::Relaxed), thread)
}

/// Switches to the next thread; returns when this one runs again. Pre-emption
/// must be off, the current state set and the thread queued or blocked.
pub(crate) fn switch_away() {
    let cpu = cpu::current();
    let from = thread::current();
    let next = take_next(cpu, from);
    next.state.run();
    if core::ptr::eq(next, from) {
        return;
    }
    let now_ns = account(from, next);
    if !is_idle_thread(cpu, next) {
        arm_timer(cpu, now_ns + SLICE_NS);
    }
    cpu.switched_from
        .store(core::ptr::from_ref(from).cast_mut(), Ordering::Relaxed);
    let control = next.control();
    // SAFETY: `next` is switched out and claimed for this CPU; its saved stack
    // pointer is used once. gs follows the stack.
    unsafe {
        (*control).cpu = core::ptr::from_ref(cpu).cast_mut().cast();
        (*control).counters = crate::statistics::counters(cpu.index);
        machine::get().load_thread(control);
        crate::context::switch(from.saved_rsp.get(), *next.saved_rsp.get());
    }
    finish_switch();
}

/// The thread to run on this CPU from now on, claimed for it.
fn take_next(cpu: &'static Cpu, from: &'static Thread) -> &'static Thread {
    let was_idle = is_idle_thread(cpu, from);
    let now_ns = machine::get().now_ns();
    let own = cpu.ready.take_next(from, now_ns);
    let is_overdue = own.as_ref().is_some_and(|next| next.is_overdue);
    let turn_ns = if is_overdue { now_ns + SLICE_NS } else { 0 };
    cpu.turn_ns.store(turn_ns, Ordering::Relaxed);
    let own = own.map(|next| next.thread);
    let stolen = || balance::steal(cpu).inspect(|next| cpu.ready.note_running(next));
    if let Some(next) = own.or_else(stolen) {
        if was_idle {
            cpu::set_idle(cpu, false);
        }
        return next;
    }
    // SAFETY: every CPU that schedules has an idle thread, which never ends.
    let idle = unsafe { &*cpu.idle.load(Ordering::Relaxed) };
    if !was_idle {
        cpu::set_idle(cpu, true);
        idle.claim();
    }
    idle
}

fn account(from: &Thread, next: &Thread) -> u64 {
    let now_ns = settle(from);
    next.since_ns.store(now_ns, Ordering::Relaxed);
    now_ns
}

/// Charges the time since the last charge to this CPU's thread and the domain it
/// executes in; the time now. Pre-emption is off.
pub(crate) fn settle(thread: &Thread) -> u64 {
    let now_ns = machine::get().now_ns();
    let since_ns = thread.since_ns.swap(now_ns, Ordering::Relaxed);
    let ran_ns = now_ns.saturating_sub(since_ns);
    thread.cpu_ns.fetch_add(ran_ns, Ordering::Relaxed);
    // SAFETY: the thread is this CPU's, pre-emption is off.
    let slot = unsafe { &*(*thread.control()).current };
    if crate::domain::account_cpu(slot, now_ns, ran_ns) {
        thread.is_watch_due.store(true, Ordering::Relaxed);
    }
    now_ns
}

/// First thing on the new stack after a switch: lets others have the old one.
pub(crate) fn finish_switch() {
    let cpu = cpu::current();
    let from = cpu
        .switched_from
        .swap(core::ptr::null_mut(), Ordering::Relaxed);
    if from.is_null() {
        return;
    }
    // SAFETY: the thread switched from cannot be freed before it is released.
    let from = unsafe { &*from };
    // Work was left to the CPU, not to the thread it happened to run.
    // SAFETY: the control block of a thread that is still claimed for this CPU.
    if unsafe { (*from.control()).work_pending.swap(0, Ordering::Relaxed) } != 0 {
        request_work();
    }
    from.release();
}

/// Makes sure the CPU's timer fires at `deadline_ns` at the latest.
pub(crate) fn arm_timer(cpu: &Cpu, deadline_ns: u64) {
    if deadline_ns < cpu.timer_ns.load(Ordering::Relaxed) {
        cpu.timer_ns.store(deadline_ns, Ordering::Relaxed);
        machine::get().set_timer(deadline_ns);
    }
}

/// Retries a disturbance soon. Called from interrupt handlers.
pub(crate) fn retry_soon(cpu: &Cpu) {
    let deadline = machine::get().now_ns() + RETRY_NS;
    cpu.timer_ns.store(deadline, Ordering::Relaxed);
    machine::get().set_timer(deadline);
}

/// Does what interrupts left to do: wakes, timers, pre-emption. Runs on the
/// interrupted thread, or on one that turned pre-emption on again.
pub fn deferred_work() {
    // SAFETY: the control block is the running thread's own.
    let pending = unsafe { &(*control()).work_pending };
    while pending.swap(0, Ordering::Acquire) != 0 {
        let preempt = PreemptOff::new();
        let cpu = cpu::current();
        crate::interrupt::deliver();
        crate::statistics::follow();
        if cpu.timer_fired.swap(false, Ordering::AcqRel) {
            let now_ns = machine::get().now_ns();
            cpu.timers.expire(now_ns, wake);
            balance::balance(cpu, now_ns);
            tire(cpu, thread::current());
            rearm(cpu);
        }
        let thread = thread::current();
        if must_give_way(cpu, thread) {
            requeue_and_switch(thread);
        }
        // Not through `drop`, which would come back here.
        core::mem::forget(preempt);
        // SAFETY: undoes this round's `PreemptOff`.
        unsafe { (*control()).preempt_off -= 1 };
    }
}

/// Whether another thread is to run now instead of the one that does.
fn must_give_way(cpu: &Cpu, running: &Thread) -> bool {
    if is_idle_thread(cpu, running) {
        return cpu.ready.has(0);
    }
    let now_ns = machine::get().now_ns();
    // Who had to wait for its turn is not disturbed in it.
    if now_ns < cpu.turn_ns.load(Ordering::Relaxed) {
        return cpu.ready.has(PRIORITY_KERNEL);
    }
    cpu.ready.has(running.urgency()) || cpu.ready.has_overdue(now_ns)
}

/// A thread that goes on running is less urgent after a while.
fn tire(cpu: &Cpu, thread: &Thread) {
    if thread.urgency() > thread::PRIORITY_NORMAL {
        settle(thread);
        if thread.tire() {
            cpu.ready.note_running(thread);
        }
    }
}

fn rearm(cpu: &Cpu) {
    let slice = machine::get().now_ns() + SLICE_NS;
    let balance = cpu.balance_ns.load(Ordering::Relaxed);
    let first = cpu.timers.first_ns().min(balance);
    cpu.timer_ns.store(u64::MAX, Ordering::Relaxed);
    let is_idle = is_idle_thread(cpu, thread::current());
    let next = if is_idle && !cpu.ready.has(0) {
        first
    } else {
        first.min(slice)
    };
    if next != u64::MAX {
        arm_timer(cpu, next);
    }
}

/// The idle thread's life: waits for interrupts, lets others run.
pub fn idle_loop() -> ! {
    cpu::set_idle(cpu::current(), true);
    loop {
        {
            let preempt = PreemptOff::new();
            let cpu = cpu::current();
            if cpu.ready.has(0) {
                switch_away();
            }
            drop(preempt);
        }
        let preempt = PreemptOff::new();
        let cpu = cpu::current();
        // SAFETY: the control block is the running thread's own.
        let pending = unsafe { &(*control()).work_pending };
        let work = || pending.load(Ordering::Acquire) != 0 || cpu.ready.has(0);
        let before = machine::get().now_ns();
        machine::get().idle(&work);
        cpu.idle_ns.fetch_add(
            machine::get().now_ns().saturating_sub(before),
            Ordering::Relaxed,
        );
        drop(preempt);
    }
}
