//! Clocks of the host.

use core::sync::atomic::{AtomicU64, Ordering};

/// The host's monotonic clock at start.
static START_NS: AtomicU64 = AtomicU64::new(0);

/// Makes this moment the boot of the machine.
pub fn start() {
    START_NS.store(read(libc::CLOCK_MONOTONIC), Ordering::Relaxed);
}

/// Nanoseconds since [`start`].
pub fn now_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC) - START_NS.load(Ordering::Relaxed)
}

/// Nanoseconds since 1970-01-01 00:00 UTC.
pub fn wall_clock_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// A moment since [`start`] on the host's monotonic clock.
pub fn host_time(moment_ns: u64) -> libc::timespec {
    // The clock counts from the host's boot, so the sum is never 0.
    let host_ns = START_NS.load(Ordering::Relaxed).saturating_add(moment_ns);
    timespec(host_ns)
}

/// A time in nanoseconds as Linux takes it.
pub fn timespec(nanoseconds: u64) -> libc::timespec {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "2^64 ns are fewer than 2^35 seconds"
    )]
    libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as i64,
    }
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = timespec(0);
    // SAFETY: `time` is ours to write. The call goes through the vdso and, for
    // these two clocks, cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
