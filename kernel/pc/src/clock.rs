//! Time: the TSC as clock, the local APIC as timer.
//!
//! Frequencies come from CPUID where it states them, else from a comparison
//! with a clock that is known, repeated until two measurements agree.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::acpi::Power;
use crate::cpu::{self, Features, MAX_CPUS};
use crate::{apic, descriptors, port, report};

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;
/// TSC frequencies that are believed.
const PLAUSIBLE_HZ: core::ops::Range<u64> = 100_000_000..20_000_000_000;
/// Length of one measurement.
const SAMPLE_NS: u64 = 4_000_000;
/// Measurements at most.
const MAX_SAMPLES: usize = 12;
/// PM timer frequency (ACPI 6.5, section 4.8.3.3).
const PM_TIMER_HZ: u64 = 3_579_545;
/// Interval timer frequency (Intel 82C54).
const PIT_HZ: u64 = 1_193_182;
/// Its ports.
const PIT_CHANNEL: u16 = 0x40;
const PIT_COMMAND: u16 = 0x43;
/// Looks at a counter before it counts as standing still: on hardware each takes
/// a microsecond, in an emulator a fraction of it.
const MAX_POLLS: usize = 200_000;

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
    apic::start_one_shot(u32::MAX);
    let (start, first) = (now_ns(), apic::one_shot_left());
    while now_ns() - start < SAMPLE_NS / 4 {
        core::hint::spin_loop();
    }
    let (end, last) = (now_ns(), apic::one_shot_left());
    apic::start_one_shot(0);
    TIMER_RATIO.set(u64::from(first - last).max(1), end - start);
}

/// The TSC's frequency, and who says so.
fn frequency(power: &Power) -> (u64, &'static str) {
    if let Some(stated) = stated_frequency() {
        return stated;
    }
    let pm_timer = power.timer.and_then(|(port, is_32_bit)| {
        let mask = if is_32_bit { u32::MAX } else { 0xff_ffff };
        // SAFETY: the FADT names the port; reading it has no effect.
        let read = || unsafe { port::read_u32(port) };
        measure(|| sample(read, PM_TIMER_HZ, mask)).map(|hz| (hz, "PM timer"))
    });
    let pit = || {
        start_pit();
        measure(|| sample(read_pit, PIT_HZ, 0xffff)).map(|hz| (hz, "interval timer"))
    };
    let unknown = (1_000_000_000, "guess: no clock to compare with");
    pm_timer.or_else(pit).unwrap_or(unknown)
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

/// Repeats a measurement until two agree to one in a thousand, or takes the
/// median of the plausible ones.
fn measure(sample: impl Fn() -> Option<u64>) -> Option<u64> {
    let mut samples = [0; MAX_SAMPLES];
    let mut count = 0;
    for _ in 0..MAX_SAMPLES {
        // No answer at all: that clock is not there.
        let hz = sample()?;
        if !PLAUSIBLE_HZ.contains(&hz) {
            continue;
        }
        if let Some(&other) = samples[..count]
            .iter()
            .find(|other| hz.abs_diff(**other) < hz / 1000)
        {
            return Some(hz.midpoint(other));
        }
        samples[count] = hz;
        count += 1;
    }
    samples[..count].sort_unstable();
    (count > 0).then(|| samples[count / 2])
}

/// The TSC's frequency against a counter of known frequency that counts up.
/// `None` if that stands still.
fn sample(read_counter: impl Fn() -> u32, counter_hz: u64, mask: u32) -> Option<u64> {
    // The TSC in the middle of the (slow) read of the counter.
    let read = || {
        let before = cpu::time_stamp();
        let ticks = read_counter();
        (before.midpoint(cpu::time_stamp()), ticks)
    };
    let (tsc_start, start) = read();
    let wanted = counter_hz * SAMPLE_NS / SECOND;
    for _ in 0..MAX_POLLS {
        let (tsc, ticks) = read();
        let passed = u64::from(ticks.wrapping_sub(start) & mask);
        if passed >= wanted {
            return Some(tsc.wrapping_sub(tsc_start) * counter_hz / passed);
        }
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
            measure(|| {
                next.set(next.get() + 1);
                values.get(next.get() - 1).copied()
            })
        };
        assert_eq!(
            replay(&[3_000_000_000, 9, 2_500_000_000, 3_000_100_000]),
            Some(3_000_050_000)
        );
        assert_eq!(replay(&[]), None);
        assert_eq!(replay(&[5; MAX_SAMPLES]), None);
    }
}
