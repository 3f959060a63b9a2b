//! Threads: their control blocks, stacks and states.

use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use abi::note::Name;
use abi::status::ServiceError;
pub(crate) use abi::thread::DomainSlot;
use abi::thread::{HEIGHTS, ThreadControl};

use crate::claim::Claim;
use crate::memory::Stack;
use crate::run_state::RunState;
pub use crate::run_state::ThreadState;
use crate::sync::SpinLock;
use crate::timers;
use crate::{harden, heap};

mod all;

use all::All;

/// Bytes of stack below which no crossing or service starts: what the kernel's
/// deepest service and the interrupt trampoline need.
pub const STACK_RESERVE: usize = 24 * 1024;

/// Bytes of stack that each domain of a chain of calls has on the stack of its caller.
/// The services' deepest paths take less than half (`wall: calls on what is left of a
/// stack`).
pub const CALL_ROOM: usize = 16 * 1024;

/// Bytes of stack of a thread that does not ask for another size.
pub const STACK_BYTES: usize = 256 * 1024;

/// Least bytes of a stack: what services need, and some pages for its owner.
const MIN_STACK_BYTES: usize = STACK_RESERVE + 16 * 1024;

/// Most bytes of a stack.
const MAX_STACK_BYTES: usize = 16 << 20;

/// Bytes at the end of a stack that hold the control block; the rest is aligned.
const CONTROL_BYTES: usize = size_of::<ThreadControl>().next_multiple_of(64);

/// Scheduling priorities, 0 the lowest.
pub const PRIORITIES: usize = 5;

/// Priority of a thread that does not ask for another.
pub const PRIORITY_NORMAL: u32 = 1;

/// Highest priority that a domain may give a thread.
pub const PRIORITY_HIGH: u32 = 2;

/// Priority of the system's own: the supervisor's urgent threads, and the log.
pub const PRIORITY_SYSTEM: u32 = 3;

/// Highest priority: the kernel thread that reclaims.
pub const PRIORITY_KERNEL: u32 = 4;

/// CPU time that a thread may take without blocking before it is no more urgent
/// than others. The reaper's is the kernel's own and has no end.
pub(crate) const URGENT_NS: u64 = 10_000_000;

/// The current thread's control block.
#[inline]
#[must_use]
pub fn control() -> *mut ThreadControl {
    let control: *mut ThreadControl;
    // SAFETY: gs points to the control block, whose first word is its address.
    unsafe {
        core::arch::asm!("mov {}, qword ptr gs:[0]", out(reg) control, options(nostack, preserves_flags, readonly));
    }
    control
}

/// The stack pointer, more or less.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let rsp: usize;
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, rsp", out(reg) rsp, options(nomem, nostack, preserves_flags));
    }
    rsp
}

/// A thread.
pub struct Thread {
    /// Its control block, at the end of its stack: code of domains writes both.
    control: *mut ThreadControl,
    /// Stack pointer while switched out.
    pub(crate) saved_rsp: UnsafeCell<usize>,
    pub(crate) state: RunState,
    /// A CPU executes on its stack, or somebody looks at it while it rests.
    on_cpu: Claim,
    /// CPU whose queue it goes to: where it ran last.
    pub(crate) cpu: AtomicUsize,
    /// CPUs it may run on, a bit each.
    pub(crate) allowed: AtomicU64,
    /// Next in its run queue, which guards it, or among those that have ended.
    pub(crate) next: AtomicPtr<Thread>,
    /// Neighbours in the list of all threads, which its lock guards.
    neighbours: UnsafeCell<[*const Thread; 2]>,
    /// Its place among those that wait for a moment; the lock there guards it.
    pub(crate) timer: UnsafeCell<timers::Place>,
    /// The word it waits on, and the next that waits; the lock there guards them.
    pub(crate) waits_on: AtomicUsize,
    pub(crate) waits_before: AtomicPtr<Thread>,
    /// It allocates what was set aside.
    pub(crate) spends: AtomicBool,
    /// A program made it, and no service.
    pub(crate) is_programs: bool,
    /// Number of the last look at the domains it holds: see [`crate::scan`].
    pub(crate) looked: AtomicU64,
    /// Priority, below [`PRIORITIES`].
    pub priority: u32,
    /// How urgent it is now: its priority, until it has run for long. Changed by
    /// itself only, so not while it waits in a queue.
    urgency: AtomicU32,
    /// What `cpu_ns` was when it last blocked.
    rested_ns: AtomicU64,
    /// Number, unique since boot.
    pub number: u32,
    /// Owner id of the domain that made it; 0 for the kernel.
    pub home: u64,
    /// Name for listings.
    pub name: Name,
    stack: Option<Stack>,
    start: UnsafeCell<Option<Start>>,
    /// What an exception handler saw, for the crash record.
    pub(crate) crash: UnsafeCell<crate::death::RawCrash>,
    /// Fault to commit at the next chance, see [`crate::fault`]; 0: none.
    pub(crate) injected: AtomicU64,
    /// It commits a fault that was injected.
    pub(crate) is_faulty: AtomicBool,
    /// What the watchdog saw of its calls; the running thread's own.
    pub(crate) watch: UnsafeCell<crate::watchdog::Watch>,
    /// The watchdog was to look while the thread executed a service.
    pub(crate) is_watch_due: AtomicBool,
    /// Nanoseconds it ran.
    pub(crate) cpu_ns: AtomicU64,
    /// When it was last switched to.
    pub(crate) since_ns: AtomicU64,
}

// SAFETY: cells are touched by the running thread itself or by the scheduler
// while the thread is switched out; everything else is atomic or constant.
unsafe impl Sync for Thread {}
// SAFETY: see `Sync`; nothing is bound to the CPU that made it.
unsafe impl Send for Thread {}

/// What a new thread runs.
struct Start {
    slot: &'static DomainSlot,
    generation: u64,
    function: unsafe extern "sysv64" fn(*mut ()),
    argument: *mut (),
}

static NEXT_NUMBER: AtomicU32 = AtomicU32::new(1);
static THREADS: SpinLock<All> = SpinLock::new(All::EMPTY);

impl Thread {
    fn new(
        name: Name,
        priority: u32,
        home: u64,
        control: *mut ThreadControl,
        stack: Option<Stack>,
        start: Option<Start>,
    ) -> Self {
        Self {
            control,
            saved_rsp: UnsafeCell::new(0),
            state: RunState::new(ThreadState::Ready),
            on_cpu: Claim::new(false),
            cpu: AtomicUsize::new(0),
            allowed: AtomicU64::new(u64::MAX),
            next: AtomicPtr::new(core::ptr::null_mut()),
            neighbours: UnsafeCell::new([core::ptr::null(); 2]),
            timer: UnsafeCell::new(timers::Place::new()),
            waits_on: AtomicUsize::new(0),
            waits_before: AtomicPtr::new(core::ptr::null_mut()),
            spends: AtomicBool::new(false),
            is_programs: false,
            looked: AtomicU64::new(0),
            priority: priority.min(PRIORITY_KERNEL),
            urgency: AtomicU32::new(priority.min(PRIORITY_KERNEL)),
            rested_ns: AtomicU64::new(0),
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            home,
            name,
            stack,
            start: UnsafeCell::new(start),
            crash: UnsafeCell::new(crate::death::RawCrash::EMPTY),
            injected: AtomicU64::new(0),
            is_faulty: AtomicBool::new(false),
            watch: UnsafeCell::new(crate::watchdog::Watch::new()),
            is_watch_due: AtomicBool::new(false),
            cpu_ns: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
        }
    }

    /// Makes it known; `None`: no memory.
    fn publish(self) -> Option<&'static Self> {
        let thread: &'static Self = Box::leak(heap::try_box(self)?);
        let limit = thread
            .stack
            .as_ref()
            .map(|stack| stack.bottom() + STACK_RESERVE);
        let entrances = harden::entrances();
        // SAFETY: nobody else knows the thread yet, and the block is its own.
        unsafe {
            thread.control.write(ThreadControl {
                this: thread.control,
                chain: core::ptr::null(),
                current: crate::domain::kernel_slot(),
                stack_limit: limit.unwrap_or(0),
                preempt_off: 1,
                kernel_depth: 0,
                work_pending: AtomicU32::new(0),
                thread: thread.number,
                cross: entrances.cross,
                counters: core::ptr::null_mut(),
                cross_moving: entrances.cross_moving,
                came_back: entrances.came_back,
                services: entrances.services,
                cpu: core::ptr::null_mut(),
                kernel: core::ptr::from_ref(thread).cast_mut().cast(),
                // Open until its own code runs, which may need less: see `begin`.
                call_limits: [0; HEIGHTS],
            });
        }
        THREADS.lock().add(thread);
        Some(thread)
    }

    /// The control block.
    #[must_use]
    pub fn control(&self) -> *mut ThreadControl {
        self.control
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> ThreadState {
        self.state.get()
    }

    /// Takes the thread's stack, unless somebody has it.
    pub(crate) fn try_claim(&self) -> bool {
        self.on_cpu.try_take()
    }

    /// Waits for the thread's stack and takes it. Whoever has it gives it back
    /// without waiting for anything.
    pub(crate) fn claim(&self) {
        crate::sync::spin_until(|| self.try_claim());
    }

    /// Gives the thread's stack back.
    pub(crate) fn release(&self) {
        self.on_cpu.give_back();
    }

    /// Whether somebody has the thread's stack.
    pub(crate) fn is_claimed(&self) -> bool {
        self.on_cpu.is_taken()
    }

    /// How urgent it is now, below [`PRIORITIES`].
    pub fn urgency(&self) -> u32 {
        self.urgency.load(Ordering::Relaxed)
    }

    /// Makes it as urgent as at first, since it is about to block; how urgent it was.
    pub(crate) fn refresh(&self) -> u32 {
        self.urgency.swap(self.priority, Ordering::Relaxed)
    }

    /// It did not block: it is as urgent as it was.
    pub(crate) fn stay_tired(&self, urgency: u32) {
        self.urgency.store(urgency, Ordering::Relaxed);
    }

    /// It has blocked.
    pub(crate) fn note_rest(&self) {
        let cpu_ns = self.cpu_ns.load(Ordering::Relaxed);
        self.rested_ns.store(cpu_ns, Ordering::Relaxed);
    }

    /// Makes it no more urgent than others if it has run for long without blocking,
    /// as its CPU time says; whether that is a change.
    pub(crate) fn tire(&self) -> bool {
        let ran_ns = self.cpu_ns.load(Ordering::Relaxed) - self.rested_ns.load(Ordering::Relaxed);
        let is_urgent = self.urgency() > PRIORITY_NORMAL && self.priority != PRIORITY_KERNEL;
        let is_tired = is_urgent && ran_ns > URGENT_NS;
        if is_tired {
            self.urgency.store(PRIORITY_NORMAL, Ordering::Relaxed);
        }
        is_tired
    }

    /// Whether it may run on a CPU.
    pub(crate) fn may_run_on(&self, cpu: usize) -> bool {
        self.allowed.load(Ordering::Relaxed) & 1 << cpu != 0
    }

    /// Address range of the stack, empty for a boot thread's.
    #[must_use]
    pub fn stack_range(&self) -> core::ops::Range<usize> {
        self.stack.as_ref().map_or(0..0, Stack::range)
    }

    /// Whether it has taken its first steps, towards its domain.
    ///
    /// # Safety
    /// The thread must not be running, or be the current one.
    pub(crate) unsafe fn has_started(&self) -> bool {
        // SAFETY: the caller's contract.
        unsafe { (*self.start.get()).is_none() }
    }

    /// Whether it is switched out while it executes in a domain.
    pub(crate) fn is_resting_in(&self, slot: &DomainSlot) -> bool {
        // SAFETY: a racy look at a pointer; only a thread that rests is read on.
        let is_inside = unsafe { core::ptr::eq((*self.control()).current, slot) };
        is_inside && !self.is_claimed() && self.state() != ThreadState::Ended
    }

    /// Where a switched-out thread is; `None` if it runs meanwhile.
    pub(crate) fn resting_backtrace(&self) -> Option<crate::death::RawCrash> {
        // Pre-emption is off so that no CPU waits for the thread meanwhile.
        let preempt = crate::sync::PreemptOff::new();
        if !self.try_claim() {
            return None;
        }
        // SAFETY: switched out, so its stack rests; the switch left the frame
        // pointer six words and the return address seven words above.
        let raw = unsafe {
            let saved = *self.saved_rsp.get() as *const usize;
            crate::death::RawCrash::walk(
                saved.add(7).read(),
                saved.add(6).read(),
                &self.stack_range(),
            )
        };
        self.release();
        drop(preempt);
        Some(raw)
    }

    /// Whether `address` lies in the guard below the stack.
    #[must_use]
    pub fn is_in_guard(&self, address: usize) -> bool {
        self.stack
            .as_ref()
            .is_some_and(|stack| stack.is_in_guard(address))
    }
}

#[cfg(test)]
impl Thread {
    /// A thread that never runs.
    pub(crate) fn for_test(priority: u32) -> &'static Self {
        let control = Box::leak(Box::new(MaybeUninit::uninit())).as_mut_ptr();
        let thread = Self::new(abi::note::name("test"), priority, 0, control, None, None);
        thread.publish().expect("the host has memory")
    }

    /// Frees a thread of [`Self::for_test`].
    ///
    /// # Safety
    /// Nobody may look at it any more.
    pub(crate) unsafe fn free_for_test(thread: &'static Self) {
        let control = thread.control;
        // SAFETY: the caller's contract; it never ran, and the block is from a box.
        unsafe {
            free(thread);
            drop(Box::from_raw(control.cast::<MaybeUninit<ThreadControl>>()));
        }
    }
}

/// The current thread.
#[must_use]
pub fn current() -> &'static Thread {
    // SAFETY: the control block names the thread, which lives as long as it runs.
    unsafe { &*(*control()).kernel.cast::<Thread>() }
}

/// Makes the boot context of a CPU into that CPU's idle thread.
///
/// Pre-emption is off until that CPU turns it on.
pub fn adopt_boot_thread(cpu: usize) -> &'static Thread {
    // Code of domains never runs on it, so the block may be the kernel's.
    let control = heap::try_box(MaybeUninit::uninit());
    let thread = control.and_then(|control| {
        let control = Box::leak(control).as_mut_ptr();
        Thread::new(abi::note::name("idle"), 0, 0, control, None, None).publish()
    });
    let Some(thread) = thread else {
        crate::panic::fatal(format_args!("no memory for the idle thread of CPU {cpu}"));
    };
    thread.cpu.store(cpu, Ordering::Relaxed);
    thread.allowed.store(1 << cpu, Ordering::Relaxed);
    thread.claim();
    thread.state.run();
    let data = crate::cpu::get(cpu);
    data.idle
        .store(core::ptr::from_ref(thread).cast_mut(), Ordering::Release);
    crate::statistics::init_cpu(cpu);
    // SAFETY: no CPU runs the thread yet.
    unsafe {
        (*thread.control()).cpu = core::ptr::from_ref(data).cast_mut().cast();
        (*thread.control()).counters = crate::statistics::counters(cpu);
    }
    thread
}

/// What to start a thread with.
pub struct Spawn {
    /// Name for listings.
    pub name: Name,
    /// Priority, below [`PRIORITIES`].
    pub priority: u32,
    /// Domain to run in.
    pub slot: &'static DomainSlot,
    /// That domain's generation.
    pub generation: u64,
    /// Owner id of the domain whose thread it is.
    pub home: u64,
    /// What to run.
    pub function: unsafe extern "sysv64" fn(*mut ()),
    /// Passed to `function`.
    pub argument: *mut (),
    /// Bytes of its stack; 0: [`STACK_BYTES`].
    pub stack_bytes: usize,
}

/// Starts a thread.
///
/// # Errors
/// `NoMemory` when there is no room for its stack.
///
/// # Safety
/// `function` must be sound to call with `argument` in the domain's context.
pub unsafe fn spawn(spawn: &Spawn) -> Result<&'static Thread, ServiceError> {
    let stack = Stack::new(stack_bytes(spawn.stack_bytes)).ok_or(ServiceError::NoMemory)?;
    let top = stack.range().end - CONTROL_BYTES;
    // SAFETY: slots handed to threads come from the table of domains.
    unsafe { crate::domain::of_slot(spawn.slot) }.share();
    let start = Start {
        slot: spawn.slot,
        generation: spawn.generation,
        function: spawn.function,
        argument: spawn.argument,
    };
    let mut thread = Thread::new(
        spawn.name,
        spawn.priority,
        spawn.home,
        top as *mut ThreadControl,
        Some(stack),
        Some(start),
    );
    let home = crate::domain::find(spawn.home);
    thread.is_programs = home.is_some_and(crate::domain::Domain::is_program);
    let thread = thread.publish().ok_or(ServiceError::NoMemory)?;
    // SAFETY: the stack is fresh and `top` its aligned end; the thread is not
    // running yet.
    unsafe {
        *thread.saved_rsp.get() = crate::context::prepare(top, first_steps);
    }
    crate::scheduler::enqueue_new(thread);
    Ok(thread)
}

/// The bytes, in whole pages, of a stack for which so many are asked.
pub(crate) const fn stack_bytes(asked: usize) -> usize {
    match asked {
        0 => STACK_BYTES,
        1..=MIN_STACK_BYTES => MIN_STACK_BYTES,
        _ if asked > MAX_STACK_BYTES => MAX_STACK_BYTES,
        _ => asked.next_multiple_of(abi::PAGE_SIZE),
    }
}

/// Where every thread starts, on its own stack with pre-emption off.
extern "sysv64" fn first_steps() -> ! {
    crate::scheduler::finish_switch();
    let thread = current();
    // SAFETY: `start` is the thread's own; the control block too. Nothing is
    // held, so pre-emption may go on.
    unsafe {
        (*control()).preempt_off = 1;
        drop(crate::sync::PreemptOff::adopt());
        if let Some(start) = (*thread.start.get()).take() {
            crate::crossing::cross_from_kernel(
                start.slot,
                start.generation,
                begin,
                (&raw const start).cast_mut().cast(),
            );
        }
    }
    end_current()
}

/// Runs a thread's function, in its domain's name. From here on calls want room on the
/// stack for whom they enter; a thread itself may do with less.
unsafe extern "sysv64" fn begin(start: *mut ()) {
    // SAFETY: `first_steps` passes its own; the control block is the thread's own.
    unsafe {
        let control = &mut *control();
        for (height, limit) in control.call_limits.iter_mut().enumerate() {
            *limit = control.stack_limit + (height + 1) * CALL_ROOM;
        }
        let start = &*start.cast::<Start>();
        (start.function)(start.argument);
    }
}

/// Ends the current thread. Its frames must hold nothing.
pub fn end_current() -> ! {
    let preempt = crate::sync::PreemptOff::new();
    core::mem::forget(preempt);
    let thread = current();
    thread.state.end();
    crate::death::thread_ended(thread);
    crate::scheduler::switch_away();
    unreachable!("an ended thread is never scheduled again")
}

/// Frees an ended thread.
///
/// # Safety
/// The thread must be ended, switched out, and known to nobody else.
pub(crate) unsafe fn free(thread: &'static Thread) {
    THREADS.lock().remove(thread);
    // SAFETY: it came from `Box::leak`; the caller vouches that no reference
    // is left.
    drop(unsafe { Box::from_raw(core::ptr::from_ref(thread).cast_mut()) });
}

/// Calls `visit` with every thread. The list is locked meanwhile.
pub fn for_each(mut visit: impl FnMut(&'static Thread)) {
    for thread in THREADS.lock().iter() {
        visit(thread);
    }
}

/// Number of threads.
#[must_use]
pub fn count() -> usize {
    THREADS.lock().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_for_long_is_no_more_urgent_than_others_until_it_blocks() {
        for (priority, tired) in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 4)] {
            let thread = Thread::for_test(priority);
            let run = |ns| thread.cpu_ns.fetch_add(ns, Ordering::Relaxed);
            run(URGENT_NS);
            assert!(!thread.tire());
            run(1);
            assert_eq!(
                (thread.tire(), thread.urgency()),
                (tired != priority, tired)
            );
            assert_eq!((thread.refresh(), thread.urgency()), (tired, priority));
            // It was woken before it blocked.
            thread.stay_tired(tired);
            assert_eq!(thread.urgency(), tired);
            thread.refresh();
            thread.note_rest();
            run(URGENT_NS);
            assert!(!thread.tire());
            assert_eq!(thread.urgency(), priority);
            // SAFETY: nobody else knows it.
            unsafe { Thread::free_for_test(thread) };
        }
    }

    #[test]
    fn stacks_are_whole_pages_and_leave_room_for_services() {
        assert_eq!(stack_bytes(0), STACK_BYTES);
        for asked in [1, STACK_RESERVE, MIN_STACK_BYTES, 100_001, usize::MAX] {
            let bytes = stack_bytes(asked);
            assert!(bytes.is_multiple_of(abi::PAGE_SIZE), "{asked}");
            assert!(bytes > STACK_RESERVE, "{asked}");
            assert!(bytes >= asked.min(MAX_STACK_BYTES), "{asked}");
        }
    }
}
