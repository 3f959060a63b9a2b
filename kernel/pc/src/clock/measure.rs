//! How fast a counter is beside the TSC, on a machine that stalls.
//!
//! The two cannot be read at once, and a hypervisor may take the CPU away between two
//! instructions for as long as it likes. So the TSC is read before and after the other
//! counter, and what lies between is how badly the reading is known. A rate is believed
//! when its two readings leave little of it open; a slow reading is passed over, and a
//! pause so long that the counter may have gone round begins the measurement anew.

/// One look at both counters.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The TSC before.
    pub before: u64,
    /// The counter, which counts up.
    pub ticks: u32,
    /// The TSC after.
    pub after: u64,
}

/// What is known of a counter beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Its bits.
    pub mask: u32,
    /// Ticks of the TSC in which it certainly does not count half of its way round.
    pub longest_pause: u64,
}

/// As many ticks of the TSC as of the counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Of the TSC.
    pub tsc: u64,
    /// Of the counter.
    pub ticks: u64,
}

/// Readings of which the quickest is where a measurement begins.
const FIRST_READINGS: usize = 8;
/// Readings in a row that differ in nothing: the counter stands still. Each takes a
/// microsecond on hardware, in an emulator a fraction of it.
const STANDING: usize = 4_000;
/// Readings at most, should no quick one come.
const MAX_READINGS: usize = 100_000;

impl Reading {
    fn width(&self) -> u64 {
        self.after.wrapping_sub(self.before)
    }

    fn middle(&self) -> u64 {
        self.before.wrapping_add(self.width() / 2)
    }
}

/// Measures a counter to one in `precision`, for as long as that takes. `None`: it stands
/// still, or the machine stalls too often.
pub fn compare(
    mut read: impl FnMut() -> Reading,
    counter: Counter,
    precision: u64,
) -> Option<Rate> {
    let mut start = read();
    let (mut last, mut since_start, mut standing) = (start, 0, 0);
    for _ in 0..MAX_READINGS {
        let reading = read();
        let pause = reading.after.wrapping_sub(last.before);
        standing = if reading.ticks == last.ticks {
            standing + 1
        } else {
            0
        };
        last = reading;
        since_start += 1;
        if standing == STANDING {
            return None;
        }
        let is_quicker = since_start < FIRST_READINGS && reading.width() < start.width();
        let ticks = u64::from(reading.ticks.wrapping_sub(start.ticks) & counter.mask);
        if is_quicker || pause > counter.longest_pause || ticks > u64::from(counter.mask / 2) {
            (start, since_start) = (reading, 0);
            continue;
        }
        let tsc = reading.middle().wrapping_sub(start.middle());
        // Each reading may lie at either end of its width, and either tick be just over.
        let is_known = (start.width() + reading.width()).saturating_mul(precision) <= tsc
            && ticks >= precision;
        if is_known {
            return Some(Rate { tsc, ticks });
        }
    }
    None
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
