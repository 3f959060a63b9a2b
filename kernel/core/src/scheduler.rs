//! Who runs next: per-CPU queues by priority, blocking, waking and timers.

use alloc::collections::{BTreeMap, VecDeque};
use core::sync::atomic::Ordering;

use abi::status::ServiceError;

use crate::cpu::{self, Cpu};
use crate::machine;
use crate::sync::{PreemptOff, SpinLock};
use crate::thread::{self, PRIORITIES, Thread, ThreadState, control};

/// Nanoseconds a thread runs before another of its priority gets its turn.
pub const SLICE_NS: u64 = 4_000_000;

/// Nanoseconds after which a disturbance that came at a bad moment is retried.
const RETRY_NS: u64 = 200_000;

/// Ready threads of one CPU, by priority.
#[derive(Default)]
pub struct RunQueue {
    ready: [VecDeque<&'static Thread>; PRIORITIES],
}

impl RunQueue {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ready: [const { VecDeque::new() }; PRIORITIES],
        }
    }

    /// Adds a thread behind those of its priority.
    pub fn push(&mut self, thread: &'static Thread) {
        self.ready[thread.priority as usize].push_back(thread);
    }

    /// Takes the first thread of the highest priority that is at least `least`.
    pub fn pop(&mut self, least: u32) -> Option<&'static Thread> {
        self.ready[least as usize..]
            .iter_mut()
            .rev()
            .find_map(VecDeque::pop_front)
    }

    /// Whether a thread of at least priority `least` is ready.
    #[must_use]
    pub fn has(&self, least: u32) -> bool {
        self.ready[least as usize..]
            .iter()
            .any(|queue| !queue.is_empty())
    }
}

/// Threads that wait for a moment, by moment and thread number.
static TIMERS: SpinLock<BTreeMap<(u64, u32), &'static Thread>> = SpinLock::new(BTreeMap::new());

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

/// Puts a new thread into a queue.
pub(crate) fn enqueue_new(thread: &'static Thread) {
    thread.cpu.store(next_cpu(), Ordering::Relaxed);
    enqueue(thread);
}

/// New threads go round the CPUs.
fn next_cpu() -> usize {
    static NEXT: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % cpu::online().max(1)
}

fn enqueue(thread: &'static Thread) {
    let target = cpu::get(thread.cpu.load(Ordering::Relaxed));
    let preempt = PreemptOff::new();
    target.queue.lock().push(thread);
    if target.index == cpu::index() {
        request_work();
    } else {
        machine::get().wake_cpu(target.index);
    }
    drop(preempt);
}

/// Makes the current thread look for work when pre-emption is on again.
pub(crate) fn request_work() {
    // SAFETY: the control block is the running thread's own.
    unsafe { (*control()).work_pending.store(1, Ordering::Relaxed) }
}

/// Wakes a thread that blocks or is about to.
pub fn wake(thread: &'static Thread) {
    thread.notified.store(true, Ordering::SeqCst);
    if thread.change_state(ThreadState::Blocked, ThreadState::Ready) {
        thread.notified.store(false, Ordering::SeqCst);
        enqueue(thread);
    }
}

/// Blocks the current thread until it is woken; may return early.
pub fn block() {
    let thread = thread::current();
    let preempt = PreemptOff::new();
    if !thread.notified.swap(false, Ordering::SeqCst) {
        thread.set_state(ThreadState::Blocked);
        let was_notified = thread.notified.load(Ordering::SeqCst)
            && thread.change_state(ThreadState::Blocked, ThreadState::Running);
        if was_notified {
            thread.notified.store(false, Ordering::SeqCst);
        } else {
            switch_away();
        }
    }
    drop(preempt);
}

/// Blocks until woken or until the clock shows `deadline_ns`; may return early.
pub fn block_until(deadline_ns: u64) {
    if deadline_ns == u64::MAX {
        return block();
    }
    let thread = thread::current();
    let key = (deadline_ns, thread.number);
    {
        let preempt = PreemptOff::new();
        TIMERS.lock().insert(key, thread);
        arm_timer(cpu::current(), deadline_ns);
        drop(preempt);
    }
    block();
    TIMERS.lock().remove(&key);
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

/// Lets another ready thread of this priority or above run.
pub fn yield_now() {
    let preempt = PreemptOff::new();
    let thread = thread::current();
    let cpu = cpu::current();
    if cpu.queue.lock().has(thread.priority) {
        requeue_and_switch(thread);
    }
    drop(preempt);
}

fn requeue_and_switch(thread: &'static Thread) {
    let cpu = cpu::current();
    if core::ptr::eq(cpu.idle.load(Ordering::Relaxed), thread) {
        return switch_away();
    }
    thread.set_state(ThreadState::Ready);
    thread.cpu.store(cpu.index, Ordering::Relaxed);
    cpu.queue.lock().push(thread);
    switch_away();
}

/// Switches to the next thread; returns when this one runs again. Pre-emption
/// must be off, the current state set and the thread queued or blocked.
pub(crate) fn switch_away() {
    let cpu = cpu::current();
    let from = thread::current();
    let next = take_next(cpu);
    if core::ptr::eq(next, from) {
        from.set_state(ThreadState::Running);
        return;
    }
    while next.on_cpu.swap(true, Ordering::Acquire) {
        core::hint::spin_loop();
    }
    let now_ns = account(from, next);
    if !core::ptr::eq(cpu.idle.load(Ordering::Relaxed), next) {
        arm_timer(cpu, now_ns + SLICE_NS);
    }
    next.set_state(ThreadState::Running);
    cpu.switched_from
        .store(core::ptr::from_ref(from).cast_mut(), Ordering::Relaxed);
    let control = next.control();
    // SAFETY: `next` is switched out and ours alone since `on_cpu` was taken;
    // its saved stack pointer is used once. gs follows the stack.
    unsafe {
        (*control).cpu = core::ptr::from_ref(cpu).cast_mut().cast();
        machine::get().load_thread(control);
        crate::context::switch(from.saved_rsp.get(), *next.saved_rsp.get());
    }
    finish_switch();
}

fn take_next(cpu: &'static Cpu) -> &'static Thread {
    if let Some(next) = cpu.queue.lock().pop(0) {
        return next;
    }
    // SAFETY: every CPU that schedules has an idle thread, which never ends.
    unsafe { &*cpu.idle.load(Ordering::Relaxed) }
}

fn account(from: &Thread, next: &Thread) -> u64 {
    let now = machine::get().now_ns();
    let ran = now.saturating_sub(from.since_ns.load(Ordering::Relaxed));
    from.cpu_ns.fetch_add(ran, Ordering::Relaxed);
    // SAFETY: both threads are this CPU's, pre-emption is off.
    let slot = unsafe { &*(*from.control()).current };
    crate::domain::account_cpu(slot, ran);
    next.since_ns.store(now, Ordering::Relaxed);
    now
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
    // SAFETY: the thread switched from cannot be freed before `on_cpu` falls.
    unsafe { (*from).on_cpu.store(false, Ordering::Release) };
}

/// Makes sure the CPU's timer fires at `deadline_ns` at the latest.
fn arm_timer(cpu: &Cpu, deadline_ns: u64) {
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
        if cpu.timer_fired.swap(false, Ordering::AcqRel) {
            expire_timers();
            rearm(cpu);
        }
        let thread = thread::current();
        let is_idle = core::ptr::eq(cpu.idle.load(Ordering::Relaxed), thread);
        let least = if is_idle { 0 } else { thread.priority };
        if cpu.queue.lock().has(least) {
            requeue_and_switch(thread);
        }
        // Not through `drop`, which would come back here.
        core::mem::forget(preempt);
        // SAFETY: undoes this round's `PreemptOff`.
        unsafe { (*control()).preempt_off -= 1 };
    }
}

fn expire_timers() {
    let now = machine::get().now_ns();
    loop {
        let mut timers = TIMERS.lock();
        let Some((&key, &thread)) = timers.first_key_value() else {
            return;
        };
        if key.0 > now {
            return;
        }
        timers.remove(&key);
        // Still locked: the thread removes its entry before it can end.
        wake(thread);
    }
}

fn rearm(cpu: &Cpu) {
    let slice = machine::get().now_ns() + SLICE_NS;
    let first = TIMERS
        .lock()
        .first_key_value()
        .map_or(u64::MAX, |(key, _)| key.0);
    cpu.timer_ns.store(u64::MAX, Ordering::Relaxed);
    let is_idle = core::ptr::eq(cpu.idle.load(Ordering::Relaxed), thread::current());
    let next = if is_idle && !cpu.queue.lock().has(0) {
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
    loop {
        {
            let preempt = PreemptOff::new();
            let cpu = cpu::current();
            if cpu.queue.lock().has(0) {
                switch_away();
                thread::current().set_state(ThreadState::Running);
            }
            drop(preempt);
        }
        let preempt = PreemptOff::new();
        let cpu = cpu::current();
        // SAFETY: the control block is the running thread's own.
        let pending = unsafe { &(*control()).work_pending };
        let work = || pending.load(Ordering::Acquire) != 0 || cpu.queue.lock().has(0);
        let before = machine::get().now_ns();
        machine::get().idle(&work);
        cpu.idle_ns.fetch_add(
            machine::get().now_ns().saturating_sub(before),
            Ordering::Relaxed,
        );
        drop(preempt);
    }
}
