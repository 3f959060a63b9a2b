//! The kernel log: a ring in memory and the machine's outlet.

use alloc::vec::Vec;
use core::fmt::Write;

use log::{Level, LevelFilter, Metadata, Record};

use crate::machine;
use crate::sync::SpinLock;

/// Bytes of log kept for `dmesg`.
const RING_BYTES: usize = 256 * 1024;

struct Ring {
    bytes: Vec<u8>,
    /// Bytes ever written; the ring holds the last of them.
    written: u64,
}

static RING: SpinLock<Ring> = SpinLock::new(Ring {
    bytes: Vec::new(),
    written: 0,
});

struct KernelLogger;

static LOGGER: KernelLogger = KernelLogger;

/// A line with room for most messages; what does not fit is cut.
struct Line {
    bytes: [u8; 512],
    used: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.bytes.len() - 1 - self.used;
        let count = text.len().min(room);
        self.bytes[self.used..self.used + count].copy_from_slice(&text.as_bytes()[..count]);
        self.used += count;
        Ok(())
    }
}

impl log::Log for KernelLogger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        write_line(record.level(), format_args!("{}", record.args()));
    }

    fn flush(&self) {}
}

/// Writes one line with time and level in front.
pub fn write_line(level: Level, text: core::fmt::Arguments<'_>) {
    let now = machine::get().now_ns();
    let mut line = Line {
        bytes: [0; 512],
        used: 0,
    };
    let mark = match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        _ => "",
    };
    // Writing to a `Line` cannot fail.
    let _ = write!(
        line,
        "[{:5}.{:06}] {mark}{text}",
        now / 1_000_000_000,
        now / 1_000 % 1_000_000
    );
    line.bytes[line.used] = b'\n';
    write_bytes(&line.bytes[..=line.used]);
}

/// Adds bytes to the log as they are.
pub fn write_bytes(bytes: &[u8]) {
    let mut ring = RING.lock();
    if ring.bytes.is_empty() {
        ring.bytes.resize(RING_BYTES, 0);
    }
    for &byte in bytes {
        let position = usize::try_from(ring.written % RING_BYTES as u64).unwrap_or(0);
        ring.bytes[position] = byte;
        ring.written += 1;
    }
    machine::get().log_write(bytes);
}

/// Copies log bytes from position `from` on: how many, and where to go on.
pub fn read(from: u64, into: &mut [u8]) -> (usize, u64) {
    let ring = RING.lock();
    let oldest = ring.written.saturating_sub(RING_BYTES as u64);
    let start = from.clamp(oldest, ring.written);
    let available = usize::try_from(ring.written - start).unwrap_or(usize::MAX);
    let count = available.min(into.len());
    for (index, byte) in into[..count].iter_mut().enumerate() {
        let position = usize::try_from((start + index as u64) % RING_BYTES as u64).unwrap_or(0);
        *byte = ring.bytes[position];
    }
    (count, start + count as u64)
}

/// Installs the logger behind the `log` crate's macros.
pub fn init() {
    // A second installation would fail; the first one stays.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
}

/// Lets a panic write although the ring may be locked.
pub(crate) fn break_open() {
    RING.break_open();
}
