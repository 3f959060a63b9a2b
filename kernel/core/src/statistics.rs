//! Calls counted per edge of the domain graph, and how long some of them took.
//!
//! An edge is a proxy: who holds it calls whoever it stands for. Each CPU has an
//! array of counters, one for each edge, which the crossing stub counts up with a
//! plain increment: it is never pre-empted, and nobody else writes that array while
//! the edge is in use. A counter is negative and says how many calls are left in an
//! interval; beside it stands what the edge's count will be at the interval's end. At
//! zero the stub begins the next interval, takes its slow way and times the call;
//! while a trace runs, intervals are one call long.
//!
//! **Invariant:** counting writes no cache line that another CPU writes.
//! **Invariant:** a counter in use is zero only for the few instructions in which its
//! next interval begins, in the stub or with pre-emption off.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use abi::protection;
use abi::thread::{CrossStatus, DomainSlot};

use crate::cpu::{self, MAX_CPUS};
use crate::memory::Frames;
use crate::sync::{PreemptOff, SpinLock};
use crate::{harden, machine, trace};

/// Edges that are counted apart; further ones share number 0.
pub const EDGES: usize = 1024;

/// One call in so many is timed unless something else is said.
const SAMPLED_ONE_IN: u32 = 1024;

/// Buckets of a histogram: two for each power of two of cycles.
pub const BUCKETS: usize = 64;

/// Bytes from one edge's counter to the next.
const COUNTER_BYTES: u64 = 8;

/// Calls in an interval that begins now.
pub(crate) static INTERVAL: AtomicU64 = AtomicU64::new(SAMPLED_ONE_IN as u64);

/// What [`INTERVAL`] is while nothing is traced.
static SAMPLING: AtomicU64 = AtomicU64::new(SAMPLED_ONE_IN as u64);

/// Changes of [`INTERVAL`]: each CPU begins its intervals anew at each.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// An interval that does not end.
const OFF: u64 = 1 << 62;

/// From a counter to where its interval's end stands.
pub(crate) const ENDS: usize = core::mem::offset_of!(Local, ends);

/// One CPU's counters and histograms.
#[repr(C)]
struct Local {
    /// Less than zero by the calls that are left in the interval.
    counters: [AtomicU64; EDGES],
    /// Calls there will have been at the interval's end.
    ends: [AtomicU64; EDGES],
    /// [`CHANGES`] that its CPU has followed.
    followed: AtomicU64,
    times: [[AtomicU32; BUCKETS]; EDGES],
}

impl Local {
    /// Begins an interval of an edge. The order tells readers on other CPUs that there
    /// is a change under way.
    fn begin_interval(&self, number: usize, calls: u64) {
        let length = INTERVAL.load(Ordering::Relaxed);
        self.counters[number].store(0, Ordering::Release);
        self.ends[number].store(calls + length, Ordering::Release);
        self.counters[number].store(length.wrapping_neg(), Ordering::Release);
    }

    /// Calls counted over an edge.
    fn calls(&self, number: usize) -> u64 {
        let counter = || self.counters[number].load(Ordering::Acquire);
        loop {
            let before = counter();
            let end = self.ends[number].load(Ordering::Acquire);
            let after = counter();
            // Less was left before than after: another interval has begun.
            let has_ended = before > after;
            if before != 0 && !has_ended {
                return end.wrapping_add(before);
            }
            core::hint::spin_loop();
        }
    }
}

static LOCALS: [AtomicPtr<Local>; MAX_CPUS] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS];

/// Which edges are in use, a bit each; number 0 always is.
static USED: SpinLock<[u64; EDGES / 64]> = SpinLock::new({
    let mut used = [0; EDGES / 64];
    used[0] = 1;
    used
});

/// Where the clock and the cycle counter stood when counting began.
static START: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Makes a CPU's counters, before it runs threads. Without memory the machine
/// is too small to run anything.
pub fn init_cpu(cpu: usize) {
    let pages = size_of::<Local>().div_ceil(abi::PAGE_SIZE);
    let frames = Frames::zeroed(pages);
    // Callers count errors themselves.
    let Some(frames) = frames.map(|frames| frames.give(protection::OPEN)) else {
        crate::panic::fatal(format_args!("no memory for the counters of CPU {cpu}"));
    };
    let local: *mut Local = frames.direct().cast();
    // SAFETY: zeroed memory of that size, which nobody else knows; the fields are
    // atomics, of which zero is a value.
    unsafe { (0..EDGES).for_each(|number| (*local).begin_interval(number, 0)) };
    LOCALS[cpu].store(local, Ordering::Release);
    // A CPU is never taken away.
    core::mem::forget(frames);
    if cpu == 0 {
        START[0].store(machine::get().now_ns(), Ordering::Relaxed);
        START[1].store(cycles(), Ordering::Relaxed);
    }
}

/// Start of a CPU's counters, for [`abi::thread::ThreadControl::counters`].
pub fn counters(cpu: usize) -> *mut u64 {
    LOCALS[cpu].load(Ordering::Acquire).cast()
}

/// The cycle counter.
pub(crate) fn cycles() -> u64 {
    // SAFETY: every x86-64 has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Nanoseconds that a number of cycles takes.
pub(crate) fn nanoseconds(count: u64) -> u64 {
    let ns = machine::get().now_ns() - START[0].load(Ordering::Relaxed);
    let passed = cycles().saturating_sub(START[1].load(Ordering::Relaxed));
    let ns = u128::from(count) * u128::from(ns) / u128::from(passed.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// Nanoseconds since boot at which the cycle counter stood there.
pub(crate) fn moment(stamp: u64) -> u64 {
    let start = START[1].load(Ordering::Relaxed);
    START[0].load(Ordering::Relaxed) + nanoseconds(stamp.saturating_sub(start))
}

/// An edge for a new proxy, as the offset of its counter; 0 if there is none.
pub fn allocate() -> u64 {
    let mut used = USED.lock();
    let Some(index) = used.iter().position(|word| *word != u64::MAX) else {
        return 0;
    };
    let bit = used[index].trailing_ones();
    used[index] |= 1 << bit;
    (index as u64 * 64 + u64::from(bit)) * COUNTER_BYTES
}

/// Gives the edge of a proxy back that nobody uses any more; the calls counted.
pub fn release(edge: u64) -> u64 {
    let calls = calls(edge);
    if edge == 0 {
        return 0;
    }
    let number = number(edge);
    // Who reads a counter waits until its change is over.
    let preempt = PreemptOff::new();
    for local in locals() {
        local.begin_interval(number, 0);
        for bucket in &local.times[number] {
            bucket.store(0, Ordering::Relaxed);
        }
    }
    drop(preempt);
    USED.lock()[number / 64] &= !(1 << (number % 64));
    calls
}

const fn number(edge: u64) -> usize {
    (edge / COUNTER_BYTES) as usize % EDGES
}

fn locals() -> impl Iterator<Item = &'static Local> {
    (0..cpu::online()).filter_map(|cpu| {
        // SAFETY: null or the CPU's counters, which stay for ever; all their
        // fields are atomics.
        unsafe { LOCALS[cpu].load(Ordering::Acquire).as_ref() }
    })
}

/// Calls made over an edge; 0 for the one that is shared.
pub fn calls(edge: u64) -> u64 {
    if edge == 0 {
        return 0;
    }
    locals().map(|local| local.calls(number(edge))).sum()
}

/// How long calls over an edge took, as far as they were timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Calls timed.
    pub samples: u64,
    /// Half of them took at most so many nanoseconds.
    pub median_ns: u64,
    /// 99 in 100 of them did.
    pub p99_ns: u64,
    /// All of them did.
    pub max_ns: u64,
}

/// How long calls over an edge took.
pub fn times(edge: u64) -> Times {
    let mut sums = [0; BUCKETS];
    for local in locals().filter(|_| edge != 0) {
        for (sum, bucket) in sums.iter_mut().zip(&local.times[number(edge)]) {
            *sum += u64::from(bucket.load(Ordering::Relaxed));
        }
    }
    let [median, p99, max] = percentiles(&sums, [500, 990, 1000]).map(nanoseconds);
    Times {
        samples: sums.iter().sum(),
        median_ns: median,
        p99_ns: p99,
        max_ns: max,
    }
}

/// Bucket of a number of cycles: two for each power of two.
fn bucket_of(cycles: u64) -> usize {
    let power = cycles.max(2).ilog2();
    let half = (cycles >> (power - 1)) & 1;
    ((2 * power as usize - 2) + half as usize).min(BUCKETS - 1)
}

/// The most cycles that fall into a bucket, as far as they are told apart.
const fn top_of(bucket: usize) -> u64 {
    let power = bucket / 2 + 1;
    let half = (bucket % 2) as u64;
    (1 << power) + (half + 1) * (1 << (power - 1)) - 1
}

/// For each of the parts (in thousandths) the cycles that so many take at most.
fn percentiles(sums: &[u64; BUCKETS], parts: [u64; 3]) -> [u64; 3] {
    let total: u64 = sums.iter().sum();
    parts.map(|part| {
        let wanted = (total * part).div_ceil(1000);
        let mut seen = 0;
        let bucket = sums.iter().position(|count| {
            seen += count;
            seen >= wanted && seen != 0
        });
        bucket.map_or(0, top_of)
    })
}

/// Times one call in `one_in`, a power of two; 0: none.
pub fn set_sampling(one_in: u32) {
    let interval = if one_in.is_power_of_two() {
        u64::from(one_in)
    } else {
        OFF
    };
    SAMPLING.store(interval, Ordering::Relaxed);
    choose_interval();
}

/// Makes the stub take its slow way as often as is wanted now, on each CPU as soon as
/// it does what interrupts left to do.
pub(crate) fn choose_interval() {
    let interval = if trace::is_on() {
        1
    } else {
        SAMPLING.load(Ordering::Relaxed)
    };
    INTERVAL.store(interval, Ordering::Relaxed);
    CHANGES.fetch_add(1, Ordering::Release);
    follow();
    cpu::disturb_others();
}

/// Begins the intervals of this CPU anew, if their length has changed.
pub(crate) fn follow() {
    let preempt = PreemptOff::new();
    let local = local(cpu::current());
    let changes = CHANGES.load(Ordering::Acquire);
    if local.followed.load(Ordering::Relaxed) != changes {
        local.followed.store(changes, Ordering::Relaxed);
        for number in 0..EDGES {
            local.begin_interval(number, local.calls(number));
        }
    }
    drop(preempt);
}

fn local(cpu: &cpu::Cpu) -> &'static Local {
    // SAFETY: this CPU's counters, there since before it ran threads, and for ever.
    unsafe { &*LOCALS[cpu.index].load(Ordering::Relaxed) }
}

/// The stub's slow way after a call that began at `start` (cycles), with its
/// [`abi::thread::CrossAnswer::outcome`].
pub(crate) extern "sysv64" fn sampled(
    start: u64,
    callee: *const DomainSlot,
    edge: u64,
    outcome: u64,
) {
    let end = cycles();
    harden::with_all_rights(|| note(start, end, callee, edge, outcome));
}

fn note(start: u64, end: u64, callee: *const DomainSlot, edge: u64, outcome: u64) {
    let preempt = PreemptOff::new();
    let cpu = cpu::current();
    let local = local(cpu);
    if edge != 0 && SAMPLING.load(Ordering::Relaxed) != OFF {
        let bucket = &local.times[number(edge)][bucket_of(end.wrapping_sub(start))];
        // Nobody else writes it and pre-emption is off: no locked addition.
        bucket.store(
            bucket.load(Ordering::Relaxed).saturating_add(1),
            Ordering::Relaxed,
        );
    }
    if trace::is_on() {
        trace::record(cpu, start, end, callee, CrossStatus::of_outcome(outcome));
    }
    drop(preempt);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_is_at_most_the_top_of_its_bucket(cycles in 2..u64::from(u32::MAX)) {
            let bucket = bucket_of(cycles);
            prop_assert!(cycles <= top_of(bucket));
            prop_assert!(bucket == 0 || cycles > top_of(bucket - 1));
            // Not more than half too much is said.
            prop_assert!(top_of(bucket) <= cycles + cycles / 2);
        }

        #[test]
        fn percentiles_are_those_of_the_sorted_values(
            values in prop::collection::vec(2..1_000_000_u64, 1..200),
        ) {
            let mut sums = [0; BUCKETS];
            for &value in &values {
                sums[bucket_of(value)] += 1;
            }
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let exact = [500, 990, 1000]
                .map(|part| sorted[(values.len() * part).div_ceil(1000).max(1) - 1]);
            let told = percentiles(&sums, [500, 990, 1000]);
            for (exact, told) in exact.into_iter().zip(told) {
                prop_assert_eq!(told, top_of(bucket_of(exact)));
            }
        }
    }

    /// As the stub counts: whether the call is timed.
    fn count(local: &Local, number: usize) -> bool {
        let counter = local.counters[number]
            .load(Ordering::Relaxed)
            .wrapping_add(1);
        local.counters[number].store(counter, Ordering::Relaxed);
        if counter != 0 {
            return false;
        }
        let length = INTERVAL.load(Ordering::Relaxed);
        local.ends[number].fetch_add(length, Ordering::Relaxed);
        local.counters[number].store(length.wrapping_neg(), Ordering::Relaxed);
        true
    }

    #[test]
    fn every_call_is_counted_and_one_in_an_interval_timed() {
        const EDGE: usize = 3;
        // SAFETY: atomics, of which zero is a value.
        let local: Box<Local> = unsafe { Box::new_zeroed().assume_init() };
        local.begin_interval(EDGE, 0);
        let mut calls = 0;
        for interval in [1024, 1, 16, OFF, 1, 1024] {
            INTERVAL.store(interval, Ordering::Relaxed);
            // As `follow` does.
            local.begin_interval(EDGE, local.calls(EDGE));
            let mut timed = 0;
            for _ in 0..3000 {
                timed += u64::from(count(&local, EDGE));
                calls += 1;
                assert_eq!(local.calls(EDGE), calls);
            }
            assert_eq!(timed, 3000 / interval);
        }
        INTERVAL.store(u64::from(SAMPLED_ONE_IN), Ordering::Relaxed);
    }

    #[test]
    fn nothing_timed_is_nothing_told() {
        assert_eq!(percentiles(&[0; BUCKETS], [500, 990, 1000]), [0; 3]);
    }

    #[test]
    fn edges_are_given_out_once_and_again_when_free() {
        let edges: Vec<u64> = (0..EDGES + 10).map(|_| allocate()).collect();
        let given = edges.iter().filter(|edge| **edge != 0).count();
        assert_eq!(given, EDGES - 1);
        let mut distinct = edges[..given].to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), given);
        for &edge in &edges {
            release(edge);
        }
        assert_ne!(allocate(), 0);
    }
}
