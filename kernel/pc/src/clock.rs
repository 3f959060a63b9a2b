//! Time: the TSC as clock, the local APIC as timer.
//!
//! Frequencies come from CPUID where it states them, else from a comparison
//! with clocks that are known ([`measure`]), repeated until they agree.

mod measure;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::measure::{Counter, Reading};
use crate::acpi::Power;
use crate::cpu::{self, Features, MAX_CPUS};
use crate::{apic, descriptors, port, report};

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;
/// TSC frequencies that are believed.
const PLAUSIBLE_HZ: core::ops::Range<u64> = 100_000_000..20_000_000_000;
/// Measurements are known to one in so many; the next where the machine stalls too often
/// for that. The interval timer, which is slow to read and soon round, comes to less.
const PRECISIONS: [u64; 3] = [3000, 1000, 100];
const PIT_PRECISIONS: [u64; 2] = [1000, 100];
/// Measurements at most until two tell the same.
const MAX_SAMPLES: usize = 5;
/// Two clocks that differ by less than one in so many tell the same.
const SAME_CLOCK: u64 = 50;
/// How often they are asked at most.
const MAX_CHECKS: usize = 3;
/// PM timer frequency (ACPI 6.5, section 4.8.3.3).
const PM_TIMER_HZ: u64 = 3_579_545;
/// Interval timer frequency (Intel 82C54).
const PIT_HZ: u64 = 1_193_182;
/// A tick of a one-shot timer that could not be measured: a slow one's.
const UNKNOWN_TIMER_NS: u64 = 160;
/// The interval timer's ports.
const PIT_CHANNEL: u16 = 0x40;
const PIT_COMMAND: u16 = 0x43;

static BASE: AtomicU64 = AtomicU64::new(0);
static TSC_RATIO: Ratio = Ratio::new();
static TIMER_RATIO: Ratio = Ratio::new();
static HAS_DEADLINE: AtomicBool = AtomicBool::new(false);
/// When each CPU's timer is to fire.
static DEADLINES: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(u64::MAX) }; MAX_CPUS];

/// Ticks and nanoseconds converted by multiply and shift, with 32 fractional
/// bits: 64-bit tick counts and times do not overflow.
struct Ratio {
    ns_per_tick: AtomicU64,
    ticks_per_ns: AtomicU64,
}

impl Ratio {
    const fn new() -> Self {
        Self {
            ns_per_tick: AtomicU64::new(0),
            ticks_per_ns: AtomicU64::new(0),
        }
    }

    fn set(&self, ticks: u64, ns: u64) {
        let ratio = |a: u64, b: u64| (u128::from(a) << 32) / u128::from(b.max(1));
        self.ns_per_tick
            .store(ratio(ns, ticks) as u64, Ordering::Relaxed);
        self.ticks_per_ns
            .store(ratio(ticks, ns) as u64, Ordering::Relaxed);
    }

    fn to_ns(&self, ticks: u64) -> u64 {
        scale(ticks, self.ns_per_tick.load(Ordering::Relaxed))
    }

    fn to_ticks(&self, ns: u64) -> u64 {
        scale(ns, self.ticks_per_ns.load(Ordering::Relaxed))
    }
}

fn scale(value: u64, factor: u64) -> u64 {
    u64::try_from((u128::from(value) * u128::from(factor)) >> 32).unwrap_or(u64::MAX)
}

/// Calibrates the clock and sets up the timer of the boot CPU.
pub fn init(features: Features, power: &Power) {
    let (hz, source) = frequency(power);
    TSC_RATIO.set(hz, SECOND);
    BASE.store(cpu::time_stamp(), Ordering::Relaxed);
    HAS_DEADLINE.store(features.tsc_deadline, Ordering::Relaxed);
    init_secondary();
    if !features.tsc_deadline {
        measure_one_shot_timer();
    }
    let timer = if features.tsc_deadline {
        "TSC deadline"
    } else {
        "one-shot"
    };
    report!(
        "clock: TSC at {}.{:03} MHz by {source}, {timer} timer",
        hz / 1_000_000,
        hz / 1000 % 1000
    );
}

/// Sets up this CPU's timer as [`init`] did the boot CPU's.
pub fn init_secondary() {
    if HAS_DEADLINE.load(Ordering::Relaxed) {
        apic::use_deadline_timer();
    } else {
        apic::use_one_shot_timer();
    }
}

/// Nanoseconds since [`init`].
pub fn now_ns() -> u64 {
    let base = BASE.load(Ordering::Relaxed);
    TSC_RATIO.to_ns(cpu::time_stamp().saturating_sub(base))
}

/// Makes this CPU's timer fire at `deadline_ns`; `u64::MAX`: never.
pub fn set_timer(deadline_ns: u64) {
    DEADLINES[descriptors::current_cpu()].store(deadline_ns, Ordering::Relaxed);
    program(deadline_ns);
}

/// The timer fired: whether the deadline is reached. If not (the hardware
/// timer was too short for it), the timer goes on.
pub fn on_timer() -> bool {
    let deadline = DEADLINES[descriptors::current_cpu()].load(Ordering::Relaxed);
    if deadline == u64::MAX {
        return false;
    }
    let is_reached = now_ns() >= deadline;
    if !is_reached {
        program(deadline);
    }
    is_reached
}

fn program(deadline_ns: u64) {
    if HAS_DEADLINE.load(Ordering::Relaxed) {
        let deadline = match deadline_ns {
            u64::MAX => 0,
            // Rounded up, so that the clock has reached it when the timer fires.
            ns => BASE
                .load(Ordering::Relaxed)
                .saturating_add(TSC_RATIO.to_ticks(ns) + 1),
        };
        // SAFETY: the feature is there; the timer's vector has a handler.
        unsafe { cpu::write_msr(cpu::msr::TSC_DEADLINE, deadline) };
    } else if deadline_ns == u64::MAX {
        apic::start_one_shot(0);
    } else {
        let left = TIMER_RATIO.to_ticks(deadline_ns.saturating_sub(now_ns()));
        apic::start_one_shot(u32::try_from(left + 1).unwrap_or(u32::MAX));
    }
}

/// Counts the one-shot timer's ticks against the TSC.
fn measure_one_shot_timer() {
    let counter = Counter {
        mask: u32::MAX,
        // It stops at its end.
        longest_pause: u64::MAX,
    };
    let read = || read_beside_tsc(|| u32::MAX - apic::one_shot_left());
    let rate = PRECISIONS.into_iter().find_map(|precision| {
        apic::start_one_shot(u32::MAX);
        measure::compare(read, counter, precision)
    });
    apic::start_one_shot(0);
    match rate {
        Some(rate) => TIMER_RATIO.set(rate.ticks, TSC_RATIO.to_ns(rate.tsc)),
        // Whatever fires too early is set again (`on_timer`).
        None => TIMER_RATIO.set(1, UNKNOWN_TIMER_NS),
    }
}

/// The TSC's frequency, and who says so.
fn frequency(power: &Power) -> (u64, &'static str) {
    if let Some(stated) = stated_frequency() {
        return stated;
    }
    let pm_timer = || {
        let (port, is_32_bit) = power.timer?;
        let mask = if is_32_bit { u32::MAX } else { 0xff_ffff };
        // SAFETY: the FADT names the port; reading it has no effect.
        let read = || unsafe { port::read_u32(port) };
        measure_by(read, PM_TIMER_HZ, mask, &PRECISIONS)
    };
    let interval_timer = || {
        start_pit();
        measure_by(read_pit, PIT_HZ, 0xffff, &PIT_PRECISIONS)
    };
    let (hz, other) = cross_check(pm_timer, interval_timer);
    match (hz, other) {
        (Some(hz), other) => {
            if let Some(other) = other.filter(|other| !is_close(hz, *other, SAME_CLOCK)) {
                report!("clock: TSC at {hz} Hz by PM timer, but {other} Hz by interval timer");
            }
            (hz, "PM timer")
        }
        (None, Some(hz)) => (hz, "interval timer"),
        (None, None) => (1_000_000_000, "guess: no clock to compare with"),
    }
}

/// Measures by both clocks until they tell the same, a few times at most.
fn cross_check(
    first: impl Fn() -> Option<u64>,
    second: impl Fn() -> Option<u64>,
) -> (Option<u64>, Option<u64>) {
    let mut found = (None, None);
    for _ in 0..MAX_CHECKS {
        found = (first(), second());
        match found {
            (Some(one), Some(other)) if !is_close(one, other, SAME_CLOCK) => (),
            _ => break,
        }
    }
    found
}

fn is_close(one: u64, other: u64, precision: u64) -> bool {
    one.abs_diff(other) <= one / precision
}

/// CPUID leaves 0x15 and 0x16 (SDM volume 2A) and the hypervisors' 0x40000010.
fn stated_frequency() -> Option<(u64, &'static str)> {
    let crystal = cpu::cpuid(0x15);
    let is_hypervisor = cpu::Features::read().hypervisor;
    let from_hypervisor = if is_hypervisor {
        cpu::cpuid(0x4000_0010).eax
    } else {
        0
    };
    let candidates = [
        (u64::from(from_hypervisor) * 1000, "hypervisor"),
        (
            (u64::from(crystal.ecx) * u64::from(crystal.ebx))
                .checked_div(crystal.eax.into())
                .unwrap_or(0),
            "CPUID 0x15",
        ),
        // The base frequency is the TSC's where 0x15 exists but for the crystal.
        (
            if crystal.ebx == 0 {
                0
            } else {
                u64::from(cpu::cpuid(0x16).eax) * 1_000_000
            },
            "CPUID 0x16",
        ),
    ];
    candidates
        .into_iter()
        .find(|(hz, _)| PLAUSIBLE_HZ.contains(hz))
}

/// The TSC's frequency by a counter of known frequency, as precisely as it can be had
/// where the machine stalls. `None` if the counter stands still.
fn measure_by(
    read_counter: impl Fn() -> u32,
    counter_hz: u64,
    mask: u32,
    precisions: &[u64],
) -> Option<u64> {
    let counter = Counter {
        mask,
        longest_pause: longest_pause(counter_hz, mask),
    };
    precisions.iter().find_map(|&precision| {
        let sample = || {
            let rate = measure::compare(|| read_beside_tsc(&read_counter), counter, precision)?;
            Some(rate.tsc * counter_hz / rate.ticks)
        };
        agree(sample, precision)
    })
}

fn read_beside_tsc(read_counter: impl Fn() -> u32) -> Reading {
    let before = cpu::time_stamp();
    let ticks = read_counter();
    Reading {
        before,
        ticks,
        after: cpu::time_stamp(),
    }
}

/// Ticks of the slowest TSC in which a counter goes half round.
const fn longest_pause(counter_hz: u64, mask: u32) -> u64 {
    PLAUSIBLE_HZ.start / counter_hz * (mask / 2) as u64
}

/// Repeats a measurement until two tell the same.
fn agree(sample: impl Fn() -> Option<u64>, precision: u64) -> Option<u64> {
    let mut samples = [0; MAX_SAMPLES];
    for count in 0..MAX_SAMPLES {
        let hz = sample().filter(|hz| PLAUSIBLE_HZ.contains(hz))?;
        let mut earlier = samples[..count].iter();
        if let Some(&other) = earlier.find(|other| is_close(hz, **other, precision / 2)) {
            return Some(hz.midpoint(other));
        }
        samples[count] = hz;
    }
    None
}

/// Lets channel 0 of the interval timer count down from 2^16 for ever (Intel
/// 82C54, mode 2). Nobody hears its interrupt.
fn start_pit() {
    // SAFETY: the ports belong to the interval timer, which is used here only.
    unsafe {
        port::write_u8(PIT_COMMAND, 0b0011_0100);
        port::write_u8(PIT_CHANNEL, 0);
        port::write_u8(PIT_CHANNEL, 0);
    }
}

/// The counter, latched and turned around so that it counts up.
fn read_pit() -> u32 {
    // SAFETY: as in `start_pit`.
    let count = unsafe {
        port::write_u8(PIT_COMMAND, 0);
        u16::from_le_bytes([port::read_u8(PIT_CHANNEL), port::read_u8(PIT_CHANNEL)])
    };
    u32::from(count.wrapping_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_do_not_overflow() {
        let ratio = Ratio::new();
        ratio.set(5_000_000_000, SECOND);
        let century = 100 * 365 * 86_400;
        let ns = ratio.to_ns(5_000_000_000 * century / 2);
        assert!(ns.abs_diff(century / 2 * SECOND) < SECOND * 60);
        assert_eq!(ratio.to_ticks(1_000_000), 5_000_000);
        assert_eq!(ratio.to_ns(u64::MAX) >> 60, 3);
    }

    #[test]
    fn measurements_must_agree() {
        let replay = |values: &'static [u64]| {
            let next = std::cell::Cell::new(0);
            agree(
                || {
                    next.set(next.get() + 1);
                    values.get(next.get() - 1).copied()
                },
                1000,
            )
        };
        let close = [3_000_000_000, 2_500_000_000, 3_000_100_000];
        assert_eq!(replay(Box::leak(Box::new(close))), Some(3_000_050_000));
        assert_eq!(replay(&[]), None);
        assert_eq!(replay(&[5; MAX_SAMPLES]), None);
        assert_eq!(replay(&[3_000_000_000, 2_500_000_000, 2_000_000_000]), None);
    }

    #[test]
    fn clocks_are_asked_until_they_tell_the_same() {
        let check = |firsts: &[Option<u64>], seconds: &[Option<u64>]| {
            let (asked, answered) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
            let first = || {
                asked.set(asked.get() + 1);
                firsts[asked.get() - 1]
            };
            let second = || {
                answered.set(answered.get() + 1);
                seconds[answered.get() - 1]
            };
            (cross_check(first, second), asked.get())
        };
        let (right, wrong) = (Some(2_600_000_000), Some(1_900_000_000));
        assert_eq!(check(&[right], &[right]), ((right, right), 1));
        assert_eq!(check(&[wrong, right], &[right; 2]), ((right, right), 2));
        assert_eq!(check(&[right; 3], &[wrong; 3]), ((right, wrong), 3));
        assert_eq!(check(&[None], &[right]), ((None, right), 1));
        assert_eq!(check(&[right], &[None]), ((right, None), 1));
    }
}
