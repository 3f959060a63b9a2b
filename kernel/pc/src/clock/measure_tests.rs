//! Counters of a simulated machine that stalls at random.

use chance::Chance;

use super::*;

/// A machine on which time passes when something is done, and sometimes when not.
struct Machine {
    chance: Chance,
    now_ns: u64,
    tsc_hz: u64,
    counter_hz: u64,
    mask: u32,
    /// One instruction in so many stalls; 0: none.
    stalls: u64,
    /// How long at most.
    stall_ns: u64,
    /// Once, at the first instruction after a time.
    stop: Option<(u64, u64)>,
}

impl Machine {
    /// Something that takes this long.
    fn spend(&mut self, ns: u64) {
        self.now_ns += ns;
        if self.stalls != 0 && self.chance.below(self.stalls) == 0 {
            self.now_ns += self.chance.below(self.stall_ns);
        }
        if let Some((at_ns, ns)) = self.stop
            && self.now_ns >= at_ns
        {
            self.now_ns += ns;
            self.stop = None;
        }
    }

    fn count(&self, hz: u64) -> u64 {
        (u128::from(self.now_ns) * u128::from(hz) / 1_000_000_000) as u64
    }

    fn time_stamp(&mut self) -> u64 {
        self.spend(20);
        self.count(self.tsc_hz)
    }

    fn read(&mut self) -> Reading {
        let before = self.time_stamp();
        self.spend(700);
        let ticks = self.count(self.counter_hz) as u32 & self.mask;
        self.spend(700);
        Reading {
            before,
            ticks,
            after: self.time_stamp(),
        }
    }

    fn measure(&mut self, precision: u64) -> Option<u64> {
        let counter = Counter {
            mask: self.mask,
            longest_pause: super::super::longest_pause(self.counter_hz, self.mask),
        };
        let counter_hz = self.counter_hz;
        let rate = compare(|| self.read(), counter, precision)?;
        Some(rate.tsc * counter_hz / rate.ticks)
    }
}

const PM_TIMER: (u64, u32) = (3_579_545, 0xff_ffff);
const PM_TIMER_32: (u64, u32) = (3_579_545, u32::MAX);
const PIT: (u64, u32) = (1_193_182, 0xffff);

fn machine(seed: u64, (counter_hz, mask): (u64, u32)) -> Machine {
    let mut chance = Chance::new(seed);
    let tsc_hz = 800_000_000 + chance.below(5_000_000_000);
    Machine {
        now_ns: chance.below(10_000_000_000),
        chance,
        tsc_hz,
        counter_hz,
        mask,
        stalls: 0,
        stall_ns: 1,
        stop: None,
    }
}

/// What is measured, if anything is, is right.
fn check(machine: &mut Machine, precision: u64) -> bool {
    let tsc_hz = machine.tsc_hz;
    let Some(hz) = machine.measure(precision) else {
        return false;
    };
    let error = hz.abs_diff(tsc_hz);
    // One half of the width of two readings, and a tick: never more.
    assert!(
        error * precision <= tsc_hz * 2,
        "{tsc_hz} Hz taken for {hz} Hz"
    );
    true
}

#[test]
fn a_machine_that_never_stalls_is_measured() {
    for seed in 0..200 {
        for (counter, precision) in [(PM_TIMER, 3000), (PM_TIMER_32, 3000), (PIT, 1000)] {
            assert!(check(&mut machine(seed, counter), precision));
        }
    }
}

#[test]
fn one_stop_anywhere_is_noticed() {
    for seed in 0..3_000 {
        for counter in [PM_TIMER, PM_TIMER_32, PIT] {
            let mut machine = machine(seed, counter);
            // In the first milliseconds, for up to ten seconds: counters go round.
            let at_ns = machine.now_ns + machine.chance.below(8_000_000);
            let length_ns = 1 << machine.chance.below(34);
            machine.stop = Some((at_ns, machine.chance.below(length_ns)));
            assert!(check(&mut machine, 1000));
        }
    }
}

#[test]
fn a_busy_machine_is_measured_right_or_not_at_all() {
    let mut measured = [0; 3];
    for seed in 0..600 {
        for (kind, counter) in [PM_TIMER, PM_TIMER_32, PIT].into_iter().enumerate() {
            let mut machine = machine(seed, counter);
            machine.stalls = 1 << machine.chance.below(14);
            machine.stall_ns = 1 << machine.chance.below(28);
            measured[kind] += usize::from(check(&mut machine, 100));
        }
    }
    // What stalls with every instruction cannot be.
    assert!(
        measured.iter().all(|measured| *measured > 250),
        "{measured:?}"
    );
}

#[test]
fn a_counter_that_stands_still_is_none() {
    let mut machine = machine(1, (0, u32::MAX));
    let began_ns = machine.now_ns;
    let counter = Counter {
        mask: u32::MAX,
        longest_pause: u64::MAX,
    };
    assert_eq!(compare(|| machine.read(), counter, 1000), None);
    assert!(machine.now_ns - began_ns < 20_000_000);
}
