//! Calls counted per edge of the domain graph, and how long some of them took.
//!
//! An edge is a proxy: who holds it calls whoever it stands for. Each CPU has an
//! array of counters, one for each edge, which the crossing stub counts up with
//! plain loads and stores: it is never pre-empted, and nobody else writes that
//! array while the edge is in use. Every so often (`count & MASK == 0`) the stub
//! takes its slow way and times the call; while a trace runs, always.
//!
//! **Invariant:** counting writes no cache line that another CPU writes.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use abi::thread::{CrossStatus, DomainSlot};

use crate::cpu::{self, MAX_CPUS};
use crate::memory::Frames;
use crate::sync::{PreemptOff, SpinLock};
use crate::{machine, trace};

/// Edges that are counted apart; further ones share number 0.
pub const EDGES: usize = 1024;

/// One call in so many is timed unless something else is said.
const SAMPLED_ONE_IN: u32 = 1024;

/// Buckets of a histogram: two for each power of two of cycles.
pub const BUCKETS: usize = 64;

/// Bytes from one edge's counter to the next.
const COUNTER_BYTES: u64 = 8;

/// What the stub tests a count against.
pub(crate) static MASK: AtomicU32 = AtomicU32::new(SAMPLED_ONE_IN - 1);

/// What [`MASK`] is while nothing is traced.
static SAMPLING_MASK: AtomicU32 = AtomicU32::new(SAMPLED_ONE_IN - 1);

/// A mask that lets no call through but one in 2^32.
const OFF: u32 = u32::MAX;

/// One CPU's counters and histograms.
#[repr(C)]
struct Local {
    counts: [AtomicU64; EDGES],
    times: [[AtomicU32; BUCKETS]; EDGES],
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
    let Some(frames) = Frames::zeroed(pages) else {
        crate::panic::fatal(format_args!("no memory for the counters of CPU {cpu}"));
    };
    LOCALS[cpu].store(frames.direct().cast(), Ordering::Release);
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
    for local in locals() {
        local.counts[number].store(0, Ordering::Relaxed);
        for bucket in &local.times[number] {
            bucket.store(0, Ordering::Relaxed);
        }
    }
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
    let counts = locals().map(|local| local.counts[number(edge)].load(Ordering::Relaxed));
    counts.sum()
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
    let mask = if one_in.is_power_of_two() {
        one_in - 1
    } else {
        OFF
    };
    SAMPLING_MASK.store(mask, Ordering::Relaxed);
    choose_mask();
}

/// Makes the stub take its slow way as often as is wanted now.
pub(crate) fn choose_mask() {
    let mask = if trace::is_on() {
        0
    } else {
        SAMPLING_MASK.load(Ordering::Relaxed)
    };
    MASK.store(mask, Ordering::Relaxed);
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
    let preempt = PreemptOff::new();
    let cpu = cpu::current();
    // SAFETY: this CPU's counters, there since before it ran threads.
    let local = unsafe { &*LOCALS[cpu.index].load(Ordering::Relaxed) };
    if edge != 0 && SAMPLING_MASK.load(Ordering::Relaxed) != OFF {
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
