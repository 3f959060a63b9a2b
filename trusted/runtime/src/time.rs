//! The monotonic clock and the time of day.

use core::ops::{Add, AddAssign, Sub};

pub use core::time::Duration;
use exchange::thread::services;

/// A point of the monotonic clock, which starts at boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// Later than any other.
    pub const NEVER: Self = Self(u64::MAX);

    /// Now.
    #[must_use]
    pub fn now() -> Self {
        // SAFETY: every domain may read the clock.
        Self((unsafe { services() }.clock_ns)())
    }

    /// Nanoseconds since boot.
    #[must_use]
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// Time since this point; zero if it lies ahead.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, length: Duration) {
        *self = *self + length;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The processor's cycle counter, for measurements: everything before the call
/// has happened when it is read, and nothing after it. Differences within one
/// thread mean something; the unit is the processor's (under QEMU's `-icount
/// shift=0`: instructions).
#[inline]
#[must_use]
pub fn cycles() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: no machine forbids the instruction; it changes nothing but its
    // results. The fences keep loads and computation on their side; no `nomem`:
    // the compiler may not move memory accesses across it.
    unsafe {
        core::arch::asm!(
            "lfence",
            "rdtsc",
            "lfence",
            out("eax") low,
            out("edx") high,
            options(nostack, preserves_flags)
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Time since 1970-01-01 00:00 UTC.
#[must_use]
pub fn wall_clock() -> Duration {
    // SAFETY: every domain may read the clock.
    Duration::from_nanos((unsafe { services() }.wall_clock_ns)())
}
