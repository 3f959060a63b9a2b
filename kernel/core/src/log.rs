//! The kernel log: a ring in memory, and the machine's outlet.
//!
//! The outlet may be a serial line, and a domain's death logs a screenful: who
//! waits for its successor must not wait for that. So a line goes to the ring, and
//! a thread of its own shows what is there a moment later. Before that thread runs,
//! at the end, and where it falls behind, whoever logs does it.

//!
//! A line is one line whatever a domain puts into it: control characters are escaped
//! where lines are made. Tests must tell what the kernel and the supervisor say from
//! what others would like them to say, also from what programs write beside the log.
//! So the option `log_mark=WORD` puts a word in front of each line of these two that
//! nobody else knows: it is added at the outlet, and not in what domains may read.
//!
//! The ring forgets its oldest lines, and programs cause lines as fast as they like. So
//! what the kernel and the supervisor say of the system, and not about a program, is
//! kept beside it ([`Kept`]): a reader gets that where the ring has nothing left.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use log::{Level, LevelFilter, Metadata, Record};

use crate::domain::Domain;
use crate::sync::SpinLock;
use crate::{machine, scheduler, wait};

/// Bytes of log kept for `dmesg`.
const RING_BYTES: usize = 256 * 1024;

/// Bytes kept of lines that no program has caused.
const KEPT_BYTES: usize = 64 * 1024;

/// Lines kept of them.
const KEPT_LINES: usize = 1024;

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
    kept: Kept,
}

/// Copies of lines that the ring may have forgotten, at their places in the log.
struct Kept {
    bytes: Vec<u8>,
    /// Bytes ever written to it.
    written: u64,
    lines: VecDeque<KeptLine>,
}

#[derive(Clone, Copy)]
struct KeptLine {
    /// Where the line begins in the log.
    position: u64,
    /// Where it begins in what was written here.
    start: u64,
    length: usize,
}

static RING: SpinLock<Ring> = SpinLock::new(Ring::new());

/// In the ring, in front of a line of the kernel's or the supervisor's. No line has it
/// inside, where it is escaped.
const MARK: u8 = 0x01;

/// Held by who writes to the outlet, so that lines stay whole and in order. The word
/// that a mark stands for.
static OUTLET: SpinLock<&'static str> = SpinLock::new("");

/// Whether the thread that shows the log waits for a line.
static IS_IDLE: AtomicBool = AtomicBool::new(false);
/// Whether there is such a thread.
static IS_DEFERRED: AtomicBool = AtomicBool::new(false);
/// Changes with each line it is woken for.
static LINES: AtomicU32 = AtomicU32::new(0);

impl Kept {
    const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            written: 0,
            lines: VecDeque::new(),
        }
    }

    /// Adds the line at `position`, in the place of the oldest ones.
    fn add(&mut self, position: u64, line: &[u8]) {
        if self.bytes.is_empty() {
            self.bytes.resize(KEPT_BYTES, 0);
            self.lines.reserve_exact(KEPT_LINES);
        }
        let end = self.written + line.len() as u64;
        let is_gone = |old: &KeptLine| old.start + (KEPT_BYTES as u64) < end;
        while self.lines.len() == KEPT_LINES || self.lines.front().is_some_and(is_gone) {
            self.lines.pop_front();
        }
        self.lines.push_back(KeptLine {
            position,
            start: self.written,
            length: line.len(),
        });
        for &byte in line {
            let place = place(self.written, KEPT_BYTES);
            self.bytes[place] = byte;
            self.written += 1;
        }
    }

    /// Copies what lies from `from` on and begins before `end`, without marks: how many
    /// bytes, and where to go on; `from` itself if there is nothing.
    fn copy(&self, from: u64, end: u64, into: &mut [u8]) -> (usize, u64) {
        let (mut position, mut count) = (from, 0);
        let first = self
            .lines
            .partition_point(|line| line.position + line.length as u64 <= from);
        for line in self.lines.range(first..) {
            if line.position >= end {
                break;
            }
            position = position.max(line.position);
            while position < line.position + line.length as u64 {
                let byte = self.bytes[place(line.start + (position - line.position), KEPT_BYTES)];
                if byte != MARK {
                    if count == into.len() {
                        return (count, position);
                    }
                    into[count] = byte;
                    count += 1;
                }
                position += 1;
            }
        }
        (count, position)
    }
}

/// Where the byte at `position` is in a ring.
fn place(position: u64, bytes: usize) -> usize {
    usize::try_from(position % bytes as u64).unwrap_or(0)
}

impl Ring {
    const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            written: 0,
            shown: 0,
            kept: Kept::new(),
        }
    }

    /// Adds a line, and keeps it if no program has caused it.
    fn add(&mut self, line: &[u8], is_kept: bool) {
        if is_kept {
            self.kept.add(self.written, line);
        }
        self.append(line);
    }

    /// Copies what a reader may see from `from` on: first what is kept of the part that
    /// the ring has forgotten. How many bytes, and where to go on.
    fn read(&self, from: u64, into: &mut [u8]) -> (usize, u64) {
        let oldest = self.written.saturating_sub(RING_BYTES as u64);
        if from >= oldest {
            return self.copy(from, into, false);
        }
        let (count, position) = self.kept.copy(from, oldest, into);
        if count == into.len() {
            return (count, position);
        }
        let position = match position < oldest {
            // The ring's first line may have lost its beginning.
            true => self.line_behind(oldest),
            false => position,
        };
        let (more, position) = self.copy(position, &mut into[count..], false);
        (count + more, position)
    }

    /// Where the next line behind a position begins.
    fn line_behind(&self, mut position: u64) -> u64 {
        while position < self.written {
            position += 1;
            if self.bytes[place(position - 1, RING_BYTES)] == b'\n' {
                break;
            }
        }
        position
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.bytes.is_empty() {
            self.bytes.resize(RING_BYTES, 0);
        }
        for &byte in bytes {
            let place = place(self.written, RING_BYTES);
            self.bytes[place] = byte;
            self.written += 1;
        }
    }

    /// Copies bytes from position `from` on, marks only if they are wanted: how many,
    /// and where to go on.
    fn copy(&self, from: u64, into: &mut [u8], with_marks: bool) -> (usize, u64) {
        let oldest = self.written.saturating_sub(RING_BYTES as u64);
        let (mut position, mut count) = (from.clamp(oldest, self.written), 0);
        while position < self.written && count < into.len() {
            let byte = self.bytes[place(position, RING_BYTES)];
            position += 1;
            if with_marks || byte != MARK {
                into[count] = byte;
                count += 1;
            }
        }
        (count, position)
    }

    /// Takes what is to be shown next: whole lines, if they fit; how many bytes.
    fn take_unshown(&mut self, into: &mut [u8; LINE_BYTES]) -> usize {
        let (count, end) = self.copy(self.shown, into, true);
        let last = into[..count].iter().rposition(|&byte| byte == b'\n');
        let whole = last.map_or(count, |last| last + 1);
        self.shown = end - (count - whole) as u64;
        whole
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

/// Writes text on, with its control characters escaped.
pub(crate) struct Escaping<'a, W: Write>(pub(crate) &'a mut W);

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for character in text.chars() {
            if is_control(character) {
                write!(self.0, "{}", character.escape_default())?;
            } else {
                self.0.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether a character does something to a terminal or a reader instead of being
/// shown: what the language would escape in a text for people to read (control and
/// format characters, blanks but the space, marks that combine, what has no meaning).
pub(crate) fn is_control(character: char) -> bool {
    let is_syntax = matches!(character, '"' | '\'' | '\\');
    !is_syntax && character.escape_debug().len() > 1
}

/// As much of a domain's text as fits a line.
pub(crate) fn text_of(bytes: &[u8]) -> &str {
    let bytes = &bytes[..bytes.len().min(LINE_BYTES)];
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut within a character.
        Err(error) if error.error_len().is_none() => {
            core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => "(not UTF-8)",
    }
}

/// Who says what a line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaker {
    /// The kernel, or the supervisor, which it trusts to tell how the system is.
    System,
    /// The kernel, about what a program did: it is forgotten before lines of the system.
    AboutProgram,
    /// Any other domain.
    Domain,
}

impl Speaker {
    /// The kernel, about something that this domain did or what became of it.
    pub(crate) fn about(domain: &Domain) -> Self {
        match domain.is_program() {
            true => Self::AboutProgram,
            false => Self::System,
        }
    }
}

impl log::Log for KernelLogger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = format_args!("{}", record.args());
        write_line(Speaker::System, record.level(), text);
    }

    fn flush(&self) {
        flush();
    }
}

/// Writes one line with time and level in front.
pub fn write_line(speaker: Speaker, level: Level, text: core::fmt::Arguments<'_>) {
    let now = machine::get().now_ns();
    let mut line = Line {
        bytes: [MARK; LINE_BYTES],
        used: usize::from(speaker != Speaker::Domain),
    };
    let mark = match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        _ => "",
    };
    // Writing to a `Line` cannot fail.
    let _ = write!(
        Escaping(&mut line),
        "[{:5}.{:06}] {mark}{text}",
        now / 1_000_000_000,
        now / 1_000 % 1_000_000
    );
    line.bytes[line.used] = b'\n';
    add(&line.bytes[..=line.used], speaker == Speaker::System);
}

fn add(line: &[u8], is_kept: bool) {
    let unshown = {
        let mut ring = RING.lock();
        ring.add(line, is_kept);
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
        let word = OUTLET.lock();
        let count = RING.lock().take_unshown(&mut line);
        if count == 0 {
            return;
        }
        for (index, piece) in line[..count].split(|byte| *byte == MARK).enumerate() {
            if index > 0 {
                machine::get().log_write(word.as_bytes());
            }
            machine::get().log_write(piece);
        }
    }
}

/// Begins a line of the kernel's past the log, which is broken open.
pub(crate) fn begin_last_words() {
    machine::get().log_write(OUTLET.lock().as_bytes());
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
    RING.lock().read(from, into)
}

/// Installs the logger behind the `log` crate's macros.
pub fn init() {
    *OUTLET.lock() = machine::get_option("log_mark=").unwrap_or("");
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
    use super::{
        Escaping, KEPT_BYTES, KEPT_LINES, LINE_BYTES, Line, MARK, RING_BYTES, Ring, text_of,
    };
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::fmt::Write;

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
        Ring::new()
    }

    /// All that a reader gets, in pieces of this size.
    fn read_all(ring: &Ring, piece: usize) -> String {
        let (mut position, mut all) = (0, Vec::new());
        let mut bytes = alloc::vec![0; piece];
        loop {
            let (count, next) = ring.read(position, &mut bytes);
            if count == 0 {
                return String::from_utf8(all).unwrap();
            }
            all.extend_from_slice(&bytes[..count]);
            position = next;
        }
    }

    #[test]
    fn what_programs_cause_does_not_displace_what_the_system_says() {
        let mut ring = empty();
        let system = |number: usize| alloc::format!("\u{1}system {number}\n");
        for number in 0..10 {
            ring.add(system(number).as_bytes(), true);
            for flood in 0..50_000 {
                ring.add(alloc::format!("flood {flood}\n").as_bytes(), false);
            }
        }
        for piece in [1, 7, 100, 16 * 1024, 1 << 20] {
            let text = read_all(&ring, piece);
            let said: Vec<_> = text
                .lines()
                .filter(|line| line.starts_with("sys"))
                .collect();
            let all: Vec<_> = (0..10).map(system).collect();
            let all: Vec<_> = all.iter().map(|line| line[1..].trim_end()).collect();
            assert_eq!(said, all, "{piece}");
            assert!(text.ends_with("flood 49999\n"));
            // No line is half there, and none twice.
            let flood = text
                .lines()
                .skip(10)
                .map(|line| line.strip_prefix("flood ").unwrap());
            let numbers: Vec<usize> = flood.map(|number| number.parse().unwrap()).collect();
            assert!(
                numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
                "{piece}"
            );
        }
    }

    #[test]
    fn a_line_that_is_in_both_is_read_once() {
        let mut ring = empty();
        let mut text = String::new();
        for number in 0..60_000 {
            let line = alloc::format!("{number}\n");
            ring.add(line.as_bytes(), number % 3 == 0);
            text.push_str(&line);
        }
        let read = read_all(&ring, 1000);
        let numbers: Vec<usize> = read.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next));
        assert_eq!(numbers.last(), Some(&59_999));
        // One that reads on where it was is not given what it had.
        let from = ring.written - 6;
        let mut bytes = [0; 6];
        assert_eq!(ring.read(from, &mut bytes), (6, ring.written));
        assert_eq!(&bytes, b"59999\n");
    }

    #[test]
    fn what_is_kept_is_bounded_by_bytes_and_lines() {
        for (line, most) in [
            ("x\n", KEPT_LINES),
            (&*("x".repeat(499) + "\n"), KEPT_BYTES / 500),
        ] {
            let mut ring = empty();
            for _ in 0..3 * KEPT_LINES {
                ring.add(line.as_bytes(), true);
            }
            for _ in 0..RING_BYTES / 2 {
                ring.add(b"-\n", false);
            }
            let text = read_all(&ring, 512);
            assert_eq!(
                text.lines().filter(|line| line.starts_with('x')).count(),
                most
            );
            assert!(ring.kept.lines.capacity() <= 2 * KEPT_LINES);
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
        assert_eq!(ring.copy(0, &mut bytes, false), (4, 8));
        let pieces = shown(&mut ring);
        assert_eq!(pieces.concat().len(), RING_BYTES);
        assert!(pieces.concat().ends_with(b"old\nnew\n"));
    }

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        write!(Escaping(&mut out), "{text}").unwrap();
        out
    }

    #[test]
    fn no_text_ends_a_line_or_talks_to_the_terminal() {
        assert_eq!(escaped("plain, müde \\ 'x'"), "plain, müde \\ 'x'");
        assert_eq!(escaped("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(
            escaped("\u{1b}[2J\u{9b}2J\u{7f}"),
            "\\u{1b}[2J\\u{9b}2J\\u{7f}"
        );
        assert_eq!(
            escaped("\u{2028}\u{202e}\u{2066}"),
            "\\u{2028}\\u{202e}\\u{2066}"
        );
        assert_eq!(escaped(core::str::from_utf8(&[MARK]).unwrap()), "\\u{1}");
        for hidden in "\u{61c}\u{180e}\u{200b}\u{200f}\u{2060}\u{feff}\u{e0041}".chars() {
            assert!(
                !escaped(&String::from(hidden)).contains(hidden),
                "{hidden:?}"
            );
        }
        for code in (0..0x20).chain(0x7f..0xa0) {
            let character = char::from(code);
            let text = escaped(&String::from(character));
            assert!(!text.contains(character), "{code:#x}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_stays_one() {
        let mut line = Line {
            bytes: [0; LINE_BYTES],
            used: 0,
        };
        write!(Escaping(&mut line), "{}", "\n".repeat(LINE_BYTES)).unwrap();
        assert_eq!(line.used, LINE_BYTES - 1);
        assert!(!line.bytes[..line.used].contains(&b'\n'));
    }

    #[test]
    fn marks_are_shown_and_not_read() {
        let mut ring = empty();
        ring.append(&[MARK, b'a', b'\n', b'b', b'\n', MARK, b'c', b'\n']);
        let mut bytes = [0; 16];
        assert_eq!(ring.copy(0, &mut bytes, false), (6, 8));
        assert_eq!(&bytes[..6], b"a\nb\nc\n");
        // In pieces, however small.
        assert_eq!(ring.copy(0, &mut bytes[..1], false), (1, 2));
        assert_eq!(ring.copy(5, &mut bytes[..1], false), (1, 7));
        let pieces = shown(&mut ring).concat();
        assert_eq!(pieces.iter().filter(|byte| **byte == MARK).count(), 2);
    }

    #[test]
    fn texts_of_domains_are_cut_between_characters() {
        assert_eq!(text_of(b"ab"), "ab");
        assert_eq!(text_of(b"a\xffb"), "(not UTF-8)");
        let long = "\u{fc}".repeat(LINE_BYTES);
        assert_eq!(text_of(long.as_bytes()).len(), LINE_BYTES);
        let odd = String::from("x") + &long;
        assert_eq!(text_of(odd.as_bytes()).len(), LINE_BYTES - 1);
    }
}
