//! Entries for interrupts: who may raise which vector, on which CPU.
//!
//! A message names an entry, and what is raised is what the entry says, if the message
//! came from the source that it names (VT-d specification 4.1, chapter 5). The entry of
//! a vector has the vector's number, so that there is nothing to allocate.
//!
//! **Invariant:** an entry raises the vector of its own number, fixed, and there is none
//! for exceptions, so that no message does anything but to raise a device's vector.

use core::sync::atomic::{AtomicU64, Ordering};

use super::registers::{interrupt, message, redirection};
use crate::traps;

/// Words of a table, which fills a page: two for each vector.
pub const WORDS: usize = 512;

/// A table.
pub type Table = [AtomicU64; WORDS];

/// How an entry names a CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// By the 8 bits of an xAPIC's id.
    Narrow,
    /// By the 32 bits of an x2APIC's id.
    Wide,
}

/// Who may raise a vector, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The vector that is raised.
    pub vector: u8,
    /// Local APIC id of the CPU; 8 bits of it, if the table is narrow.
    pub cpu: u32,
    /// Requester id of the function or I/O APIC.
    pub source: u16,
    /// Whether its line is level-triggered.
    pub is_level: bool,
}

impl Entry {
    fn encode(self, width: Width) -> [u64; 2] {
        let cpu = match width {
            Width::Narrow => u64::from(self.cpu as u8) << interrupt::ID_SHIFT,
            Width::Wide => u64::from(self.cpu) << interrupt::WIDE_ID_SHIFT,
        };
        let level = if self.is_level { interrupt::LEVEL } else { 0 };
        let vector = u64::from(self.vector) << interrupt::VECTOR_SHIFT;
        [
            interrupt::PRESENT | level | vector | cpu,
            interrupt::CHECK_SOURCE | u64::from(self.source),
        ]
    }
}

/// Makes `entry` the one of its vector, with `write`. False: no device has the vector.
pub fn set(table: &Table, entry: Entry, width: Width, write: impl Fn(&AtomicU64, u64)) -> bool {
    if !traps::is_for_devices(entry.vector) {
        return false;
    }
    let [lower, upper] = words(table, entry.vector);
    let [new_lower, new_upper] = entry.encode(width);
    if upper.load(Ordering::Relaxed) != new_upper {
        // It must not be half of one and half of another.
        write(lower, 0);
        write(upper, new_upper);
    }
    write(lower, new_lower);
    true
}

/// Removes the entry of a vector.
pub fn clear(table: &Table, vector: u8, write: impl Fn(&AtomicU64, u64)) {
    let [lower, upper] = words(table, vector);
    write(lower, 0);
    write(upper, 0);
}

fn words(table: &Table, vector: u8) -> [&AtomicU64; 2] {
    let at = 2 * usize::from(vector);
    [&table[at], &table[at + 1]]
}

/// Address and data by which a function names the entry of a vector.
pub fn message(vector: u8) -> (u64, u32) {
    let entry = u64::from(vector) << message::ENTRY_SHIFT;
    (message::RANGE | message::REMAPPED | entry, 0)
}

/// Upper half of a redirection entry by which an I/O APIC names it.
pub fn redirection(vector: u8) -> u32 {
    redirection::REMAPPED | u32::from(vector) << redirection::ENTRY_SHIFT
}

/// Address and data of a message that names no entry: how an IOMMU, whose own are not
/// remapped, raises a vector on the CPU with APIC id `cpu`.
pub fn own_message(cpu: u32, vector: u8) -> (u64, u32) {
    let low = u64::from(cpu as u8) << message::ID_SHIFT;
    let high = u64::from(cpu & !0xff) << message::UPPER_ID_SHIFT;
    (high | message::RANGE | low, vector.into())
}

#[cfg(test)]
#[path = "interrupts_tests.rs"]
mod tests;
