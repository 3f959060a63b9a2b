//! Crash records: who died, why, where, and what it held.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt::{self, Write};

use abi::death::DeathCause;
use abi::note::Name;

use crate::death::RawCrash;
use crate::domain::{self, Domain};
use crate::log::{Escaping, Speaker, write_line};
use crate::sync::SpinLock;
use crate::thread::{self, control};
use crate::{heap, limits};

/// Records kept of programs' deaths, and of other domains': programs die as fast as
/// somebody starts them.
const KEPT: usize = 64;

/// Threads whose backtrace a record shows when the domain was ended from outside.
pub const THREADS_SHOWN: usize = 4;

struct Records {
    /// Of drivers and services.
    of_system: VecDeque<Kept>,
    of_programs: VecDeque<Kept>,
    /// Number of the next record; the first since boot is 1.
    next: u64,
}

struct Kept {
    sequence: u64,
    text: String,
}

impl Records {
    const fn new() -> Self {
        Self {
            of_system: VecDeque::new(),
            of_programs: VecDeque::new(),
            next: 1,
        }
    }

    /// Keeps a record in the place of the oldest of its kind; its number.
    fn add(&mut self, is_program: bool, text: String) -> u64 {
        let kind = match is_program {
            true => &mut self.of_programs,
            false => &mut self.of_system,
        };
        if kind.len() == KEPT {
            kind.pop_front();
        }
        let sequence = self.next;
        kind.push_back(Kept { sequence, text });
        self.next += 1;
        sequence
    }

    /// The record with this number: empty if it is not kept any more.
    fn get(&self, sequence: u64) -> Option<&str> {
        if !(1..self.next).contains(&sequence) {
            return None;
        }
        let mut all = self.of_system.iter().chain(&self.of_programs);
        let found = all.find(|kept| kept.sequence == sequence);
        Some(found.map_or("", |kept| &kept.text))
    }
}

/// A text that ends where memory does: a death must not need any.
struct Text(String);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0
            .try_reserve(text.len())
            .map_err(|_| core::fmt::Error)?;
        self.0.push_str(text);
        Ok(())
    }
}

/// Makes room for the records there may be.
pub(crate) fn init() {
    let mut records = RECORDS.lock();
    records.of_system.reserve_exact(KEPT);
    records.of_programs.reserve_exact(KEPT);
}

static RECORDS: SpinLock<Records> = SpinLock::new(Records::new());

/// A name without its padding.
#[must_use]
pub fn name_text(name: &Name) -> &str {
    let length = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    core::str::from_utf8(&name[..length]).unwrap_or("?")
}

/// A name in which nothing but characters that are shown is left.
#[must_use]
pub fn printable(name: Name) -> Name {
    let is_shown = |text: &str| {
        text.chars()
            .all(|character| !crate::log::is_control(character))
    };
    let length = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    if core::str::from_utf8(&name[..length]).is_ok_and(is_shown) {
        return name;
    }
    name.map(|byte| match byte {
        0 | b' '..=b'~' => byte,
        _ => b'?',
    })
}

/// Writes a record to the log and keeps it; its number. `inside` is for a domain
/// that was ended from outside, without a `crash`.
pub fn write(
    domain: &'static Domain,
    cause: DeathCause,
    crash: Option<(&RawCrash, &[u8])>,
    inside: &[Option<Inside>],
) -> u64 {
    let mut text = Text(String::new());
    // Some records are kept, so they may have of the reserve. When that is gone, too,
    // the record ends there.
    let is_whole = heap::with_reserve(|| describe(&mut text, domain, cause, crash, inside));
    let text = text.0;
    if limits::may_tell_death(domain) {
        tell(domain, cause, &text, is_whole.is_ok());
    }
    RECORDS.lock().add(domain.is_program(), text)
}

/// Writes a record to the log.
fn tell(domain: &'static Domain, cause: DeathCause, text: &str, is_whole: bool) {
    let speaker = Speaker::about(domain);
    let warn = |line: fmt::Arguments<'_>| write_line(speaker, log::Level::Warn, line);
    for line in text.lines() {
        warn(format_args!("{line}"));
    }
    if !is_whole {
        let name = domain.with(|body| body.name);
        warn(format_args!(
            "crash: domain {} died: {}; no memory for the whole record",
            name_text(&name),
            cause.name()
        ));
    }
}

fn describe(
    out: &mut Text,
    domain: &'static Domain,
    cause: DeathCause,
    crash: Option<(&RawCrash, &[u8])>,
    inside: &[Option<Inside>],
) -> core::fmt::Result {
    let name = domain.with(|body| body.name);
    write!(
        out,
        "crash: domain {} (id {:#x}) died: {}",
        name_text(&name),
        domain.id(),
        cause.name()
    )?;
    if let Some((raw, message)) = crash {
        if has_address(cause) {
            write!(out, " at address {:#x}", raw.address)?;
        }
        let message = crate::log::text_of(message);
        if !message.is_empty() {
            write!(Escaping(out), ": {message}")?;
        }
    }
    writeln!(out)?;
    let thread = thread::current();
    writeln!(
        out,
        "  thread {} ({})",
        thread.number,
        name_text(&thread.name)
    )?;
    if let Some((raw, _)) = crash.filter(|(raw, _)| raw.depth != 0) {
        write_backtrace(out, raw)?;
        write_callers(out)?;
    } else {
        write_threads_inside(out, inside)?;
    }
    let info = domain.info();
    writeln!(
        out,
        "  held: {} bytes private, {} bytes on the exchange heap, {} threads",
        info.private_bytes, info.exchange_bytes, info.threads
    )
}

/// Whether a record of this cause names the address that was touched.
const fn has_address(cause: DeathCause) -> bool {
    matches!(
        cause,
        DeathCause::PageFault
            | DeathCause::StackOverflow
            | DeathCause::ProtectionKey
            | DeathCause::DeviceFault
    )
}

fn write_backtrace(out: &mut Text, raw: &RawCrash) -> core::fmt::Result {
    let mut depth = 0;
    // All frames of a recursion are one line: what it was called by is worth more.
    for run in raw.backtrace[..raw.depth].chunk_by(|one, next| one == next) {
        let address = run[0];
        write!(out, "  {depth:2}: {address:#x} ")?;
        // A return address may be the first byte after a call that ends a
        // function: look up the call instead.
        symbolise(out, if depth == 0 { address } else { address - 1 })?;
        match run.len() {
            1 => writeln!(out)?,
            frames => writeln!(out, " ({frames} frames)")?,
        }
        depth += run.len();
    }
    Ok(())
}

/// A thread that executed in a domain when that was ended from outside.
pub struct Inside {
    number: u32,
    name: abi::note::Name,
    place: RawCrash,
}

/// Where the threads are that execute in a domain, as far as they rest.
pub fn threads_inside(domain: &'static Domain) -> [Option<Inside>; THREADS_SHOWN] {
    let mut inside = [const { None }; THREADS_SHOWN];
    let mut count = 0;
    // Once the list is unlocked a thread may end and be freed.
    thread::for_each(|thread| {
        if count < THREADS_SHOWN
            && thread.is_resting_in(domain.slot())
            && let Some(place) = thread.resting_backtrace()
        {
            inside[count] = Some(Inside {
                number: thread.number,
                name: thread.name,
                place,
            });
            count += 1;
        }
    });
    inside
}

fn write_threads_inside(out: &mut Text, inside: &[Option<Inside>]) -> core::fmt::Result {
    for thread in inside.iter().flatten() {
        writeln!(
            out,
            "  thread {} ({}) was in it",
            thread.number,
            name_text(&thread.name)
        )?;
        write_backtrace(out, &thread.place)?;
    }
    Ok(())
}

/// Writes the function an address lies in.
///
/// # Errors
/// Those of `out`.
fn symbolise(out: &mut Text, address: usize) -> core::fmt::Result {
    if crate::boot::is_kernel_text(address) {
        return crate::boot::describe_kernel(address, out);
    }
    for domain in domain::living() {
        let found = domain.with(|body| {
            let image = body.image.as_ref();
            let image = image.filter(|image| image.contains(address))?;
            let name = name_text(&body.name);
            Some(write!(out, "{name}: ").and_then(|()| image.describe(address, out)))
        });
        if let Some(result) = found {
            return result;
        }
    }
    out.write_str("?")
}

/// Writes the domains the current thread would return to.
fn write_callers(out: &mut Text) -> core::fmt::Result {
    // SAFETY: the control block is the running thread's own, its chain is
    // complete outside the stub.
    let mut chain = unsafe { (*control()).chain };
    out.write_str("  called from:")?;
    while !chain.is_null() {
        // SAFETY: continuations lie on this thread's stack.
        let link = unsafe { &*chain };
        // SAFETY: a continuation names slots of the table.
        let name = unsafe { domain::of_slot(link.caller) }.with(|body| body.name);
        write!(out, " {}", name_text(&name))?;
        chain = link.previous;
    }
    writeln!(out)
}

/// Copies record `sequence`; its whole length, 0 if there is none. One that is not kept
/// any more is an empty line: there may be others behind it.
pub fn read(sequence: u64, into: &mut [u8]) -> usize {
    let records = RECORDS.lock();
    let Some(text) = records.get(sequence) else {
        return 0;
    };
    let text = if text.is_empty() { "\n" } else { text };
    let count = text.len().min(into.len());
    into[..count].copy_from_slice(&text.as_bytes()[..count]);
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn deaths_of_programs_do_not_displace_others() {
        let mut records = Records::new();
        assert_eq!(records.add(false, "driver".into()), 1);
        for number in 2..1002 {
            assert_eq!(records.add(true, format!("program {number}")), number);
        }
        assert_eq!(records.add(false, "service".into()), 1002);
        assert_eq!(records.get(1), Some("driver"));
        assert_eq!(records.get(1002), Some("service"));
        assert_eq!(records.get(1001), Some("program 1001"));
        assert_eq!(records.get(938), Some("program 938"));
        assert_eq!(records.get(937), Some(""));
        assert_eq!(records.get(2), Some(""));
        for none in [0, 1003, u64::MAX] {
            assert_eq!(records.get(none), None);
        }
        assert_eq!(
            records.of_programs.len() + records.of_system.len(),
            KEPT + 2
        );
    }
}
