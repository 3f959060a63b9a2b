//! Per-CPU data of the kernel, and which CPUs are idle.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use crate::question::Question;
use crate::ready::Ready;
use crate::thread::Thread;
use crate::timers::Timers;

/// Most CPUs.
pub const MAX_CPUS: usize = 64;

/// What the kernel keeps for each CPU, on cache lines of its own.
#[repr(align(128))]
pub struct Cpu {
    /// Number of the CPU.
    pub index: usize,
    /// Threads ready to run here.
    pub(crate) ready: Ready,
    /// Threads that wait for a moment.
    pub(crate) timers: Timers,
    /// Runs when nothing else does.
    pub idle: AtomicPtr<Thread>,
    /// When threads that still wait here are given to idle CPUs.
    pub(crate) balance_ns: AtomicU64,
    /// What a dying domain's reaper asks this CPU.
    pub(crate) question: Question,
    /// Who was switched away from, until the switch is finished.
    pub(crate) switched_from: AtomicPtr<Thread>,
    /// The timer fired and was not looked at.
    pub(crate) timer_fired: AtomicBool,
    /// When the timer is set to fire.
    pub(crate) timer_ns: AtomicU64,
    /// Until when nothing but the kernel comes before the thread that runs, which had
    /// waited for too long; 0: it had not.
    pub(crate) turn_ns: AtomicU64,
    /// Interrupts taken.
    pub interrupts: AtomicU64,
    /// Nanoseconds spent idle.
    pub idle_ns: AtomicU64,
}

static CPUS: [Cpu; MAX_CPUS] = {
    let mut cpus = [const {
        Cpu {
            index: 0,
            ready: Ready::new(),
            timers: Timers::new(),
            balance_ns: AtomicU64::new(u64::MAX),
            question: Question::new(),
            idle: AtomicPtr::new(core::ptr::null_mut()),
            switched_from: AtomicPtr::new(core::ptr::null_mut()),
            timer_fired: AtomicBool::new(false),
            timer_ns: AtomicU64::new(u64::MAX),
            turn_ns: AtomicU64::new(0),
            interrupts: AtomicU64::new(0),
            idle_ns: AtomicU64::new(0),
        }
    }; MAX_CPUS];
    let mut index = 0;
    while index < MAX_CPUS {
        cpus[index].index = index;
        index += 1;
    }
    cpus
};

static ONLINE: AtomicUsize = AtomicUsize::new(0);

/// CPUs on which the idle thread runs, a bit each.
static IDLE: AtomicU64 = AtomicU64::new(0);

/// The CPU with a number.
#[must_use]
pub fn get(index: usize) -> &'static Cpu {
    &CPUS[index]
}

/// The CPU this thread runs on; it may change unless pre-emption is off.
#[must_use]
#[inline]
pub fn current() -> &'static Cpu {
    #[cfg(test)]
    return &CPUS[0];
    #[cfg(not(test))]
    // SAFETY: the scheduler sets `cpu` before a thread runs.
    unsafe {
        &*(*crate::thread::control()).cpu.cast::<Cpu>()
    }
}

/// Number of the CPU this thread runs on; it may change unless pre-emption is off.
#[must_use]
#[inline]
pub fn index() -> usize {
    current().index
}

/// CPUs that schedule threads.
#[must_use]
pub fn online() -> usize {
    ONLINE.load(Ordering::Acquire)
}

pub(crate) fn set_online(count: usize) {
    ONLINE.store(count, Ordering::Release);
}

/// Notes whether this CPU's idle thread runs.
pub(crate) fn set_idle(cpu: &Cpu, is_idle: bool) {
    let bit = 1 << cpu.index;
    if is_idle {
        IDLE.fetch_or(bit, Ordering::SeqCst);
    } else {
        IDLE.fetch_and(!bit, Ordering::SeqCst);
    }
}

/// CPUs on which the idle thread runs, a bit each.
pub(crate) fn idle_mask() -> u64 {
    IDLE.load(Ordering::SeqCst)
}

/// The other CPUs that schedule threads.
pub(crate) fn others(this: &'static Cpu) -> impl Iterator<Item = &'static Cpu> {
    (0..online())
        .filter(move |&index| index != this.index)
        .map(get)
}

/// Interrupts every other CPU, whose threads then look for what is due.
pub(crate) fn disturb_others() {
    let preempt = crate::sync::PreemptOff::new();
    others(current()).for_each(|cpu| crate::machine::get().wake_cpu(cpu.index));
    drop(preempt);
}
