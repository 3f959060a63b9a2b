//! Crash records: who died, why, where, and what it held.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt::Write;

use abi::death::DeathCause;
use abi::note::Name;

use crate::death::RawCrash;
use crate::domain::{self, Domain};
use crate::heap;
use crate::log::Escaping;
use crate::sync::SpinLock;
use crate::thread::{self, control};

/// Records kept.
const KEPT: usize = 64;

/// Threads whose backtrace a record shows when the domain was ended from outside.
pub const THREADS_SHOWN: usize = 4;

struct Records {
    texts: VecDeque<String>,
    /// Number of the next record; the first since boot is 1.
    next: u64,
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
    RECORDS.lock().texts.reserve_exact(KEPT);
}

static RECORDS: SpinLock<Records> = SpinLock::new(Records {
    texts: VecDeque::new(),
    next: 1,
});

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
    for line in text.lines() {
        log::warn!("{line}");
    }
    if is_whole.is_err() {
        let name = domain.with(|body| body.name);
        log::warn!(
            "crash: domain {} died: {}; no memory for the whole record",
            name_text(&name),
            cause.name()
        );
    }
    let mut records = RECORDS.lock();
    if records.texts.len() == KEPT {
        records.texts.pop_front();
    }
    records.texts.push_back(text);
    records.next += 1;
    records.next - 1
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

/// Copies record `sequence`; its whole length, 0 if there is none.
pub fn read(sequence: u64, into: &mut [u8]) -> usize {
    let records = RECORDS.lock();
    let oldest = records.next - records.texts.len() as u64;
    let Some(index) = sequence
        .checked_sub(oldest)
        .and_then(|index| usize::try_from(index).ok())
    else {
        return 0;
    };
    let Some(text) = records.texts.get(index) else {
        return 0;
    };
    let count = text.len().min(into.len());
    into[..count].copy_from_slice(&text.as_bytes()[..count]);
    text.len()
}
