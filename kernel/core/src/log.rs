//! The kernel log: a ring in memory, and the machine's outlet.
//!
//! The outlet may be a serial line, and a domain's death logs a screenful: who
//! waits for its successor must not wait for that. So a line goes to the ring, and
//! a thread of its own shows what is there a moment later. Before that thread runs,
//! at the end, and where it falls behind, whoever logs does it.

use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use log::{Level, LevelFilter, Metadata, Record};

use crate::sync::SpinLock;
use crate::{machine, scheduler, wait};

/// Bytes of log kept for `dmesg`.
const RING_BYTES: usize = 256 * 1024;

/// Bytes not shown yet from which on whoever logs shows them.
const BACKLOG_BYTES: u64 = RING_BYTES as u64 / 2;

/// Most bytes shown at once, without pre-emption: a line.
const LINE_BYTES: usize = 512;

/// Nanoseconds for which a line may wait, so that what goes with it is shown with
/// it and what caused it is dealt with first.
const SHOW_DELAY_NS: u64 = 10_000_000;

struct Ring {
    bytes: Vec<u8>,
    /// Bytes ever written; the ring holds the last of them.
    written: u64,
    /// Bytes ever taken to be shown.
    shown: u64,
}

static RING: SpinLock<Ring> = SpinLock::new(Ring {
    bytes: Vec::new(),
    written: 0,
    shown: 0,
});

/// Held by who writes to the outlet, so that lines stay whole and in order.
static OUTLET: SpinLock<()> = SpinLock::new(());

/// Whether the thread that shows the log waits for a line.
static IS_IDLE: AtomicBool = AtomicBool::new(false);
/// Whether there is such a thread.
static IS_DEFERRED: AtomicBool = AtomicBool::new(false);
/// Changes with each line it is woken for.
static LINES: AtomicU32 = AtomicU32::new(0);

impl Ring {
    fn append(&mut self, bytes: &[u8]) {
        if self.bytes.is_empty() {
            self.bytes.resize(RING_BYTES, 0);
        }
        for &byte in bytes {
            let place = Self::place(self.written);
            self.bytes[place] = byte;
            self.written += 1;
        }
    }

    /// Copies bytes from position `from` on: how many, and where to go on.
    fn copy(&self, from: u64, into: &mut [u8]) -> (usize, u64) {
        let oldest = self.written.saturating_sub(RING_BYTES as u64);
        let start = from.clamp(oldest, self.written);
        let available = usize::try_from(self.written - start).unwrap_or(usize::MAX);
        let count = available.min(into.len());
        for (index, byte) in into[..count].iter_mut().enumerate() {
            *byte = self.bytes[Self::place(start + index as u64)];
        }
        (count, start + count as u64)
    }

    /// Takes what is to be shown next: whole lines, if they fit; how many bytes.
    fn take_unshown(&mut self, into: &mut [u8; LINE_BYTES]) -> usize {
        let (count, end) = self.copy(self.shown, into);
        let last = into[..count].iter().rposition(|&byte| byte == b'\n');
        let whole = last.map_or(count, |last| last + 1);
        self.shown = end - (count - whole) as u64;
        whole
    }

    fn place(position: u64) -> usize {
        usize::try_from(position % RING_BYTES as u64).unwrap_or(0)
    }
}

struct KernelLogger;

static LOGGER: KernelLogger = KernelLogger;

/// A line with room for most messages; what does not fit is cut.
struct Line {
    bytes: [u8; LINE_BYTES],
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

    fn flush(&self) {
        flush();
    }
}

/// Writes one line with time and level in front.
pub fn write_line(level: Level, text: core::fmt::Arguments<'_>) {
    let now = machine::get().now_ns();
    let mut line = Line {
        bytes: [0; LINE_BYTES],
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
    let unshown = {
        let mut ring = RING.lock();
        ring.append(bytes);
        ring.written - ring.shown
    };
    if !IS_DEFERRED.load(Ordering::Relaxed) || unshown >= BACKLOG_BYTES {
        flush();
    } else if IS_IDLE.swap(false, Ordering::SeqCst) {
        LINES.fetch_add(1, Ordering::SeqCst);
        wait::wake(&LINES, 1);
    }
}

/// Writes past the log to its outlet, behind what the log has so far.
pub(crate) fn write_outlet(text: &[u8]) {
    flush();
    let _outlet = OUTLET.lock();
    machine::get().log_write(text);
}

/// Shows everything that was not shown yet.
pub fn flush() {
    let mut line = [0; LINE_BYTES];
    loop {
        let _outlet = OUTLET.lock();
        let count = RING.lock().take_unshown(&mut line);
        if count == 0 {
            return;
        }
        machine::get().log_write(&line[..count]);
    }
}

/// The life of the thread that shows the log.
pub(crate) extern "sysv64" fn show(_: *mut ()) {
    IS_DEFERRED.store(true, Ordering::Relaxed);
    loop {
        let seen = LINES.load(Ordering::SeqCst);
        IS_IDLE.store(true, Ordering::SeqCst);
        // What came before this thread was idle wakes nobody.
        if is_shown() {
            // The answer does not matter: the loop looks at everything anew.
            let _ = wait::wait(&LINES, seen, u64::MAX);
        }
        IS_IDLE.store(false, Ordering::SeqCst);
        // As above.
        let _ = scheduler::sleep_until(machine::get().now_ns() + SHOW_DELAY_NS);
        flush();
    }
}

fn is_shown() -> bool {
    let ring = RING.lock();
    ring.shown == ring.written
}

/// Copies log bytes from position `from` on: how many, and where to go on.
pub fn read(from: u64, into: &mut [u8]) -> (usize, u64) {
    RING.lock().copy(from, into)
}

/// Installs the logger behind the `log` crate's macros.
pub fn init() {
    // A second installation would fail; the first one stays.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
}

/// Lets a panic show the log although its locks may be held.
pub(crate) fn break_open() {
    RING.break_open();
    OUTLET.break_open();
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES, RING_BYTES, Ring};
    use alloc::vec::Vec;

    fn shown(ring: &mut Ring) -> Vec<Vec<u8>> {
        let mut line = [0; LINE_BYTES];
        let mut pieces = Vec::new();
        loop {
            let count = ring.take_unshown(&mut line);
            if count == 0 {
                return pieces;
            }
            pieces.push(line[..count].to_vec());
        }
    }

    const fn empty() -> Ring {
        Ring {
            bytes: Vec::new(),
            written: 0,
            shown: 0,
        }
    }

    #[test]
    fn everything_is_shown_once_in_whole_lines() {
        let mut ring = empty();
        let mut all = Vec::new();
        for number in 0..10_000 {
            let line = alloc::format!("{number} {}\n", "x".repeat(number % 400));
            ring.append(line.as_bytes());
            all.extend_from_slice(line.as_bytes());
            if number % 7 == 0 {
                let pieces = shown(&mut ring);
                assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")));
                assert_eq!(pieces.concat(), all);
                all.clear();
            }
        }
    }

    #[test]
    fn what_has_no_end_of_line_is_shown_as_it_is() {
        let mut ring = empty();
        ring.append(&[b'x'; LINE_BYTES + 5]);
        let lengths: Vec<_> = shown(&mut ring).iter().map(Vec::len).collect();
        assert_eq!(lengths, [LINE_BYTES, 5]);
    }

    #[test]
    fn a_reader_that_was_overtaken_goes_on_with_the_oldest_byte() {
        let mut ring = empty();
        for _ in 0..RING_BYTES / 4 {
            ring.append(b"old\n");
        }
        ring.append(b"new\n");
        let mut bytes = [0; 4];
        assert_eq!(ring.copy(0, &mut bytes), (4, 8));
        let pieces = shown(&mut ring);
        assert_eq!(pieces.concat().len(), RING_BYTES);
        assert!(pieces.concat().ends_with(b"old\nnew\n"));
    }
}
