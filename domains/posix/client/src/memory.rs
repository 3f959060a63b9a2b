//! The program's memory, of which it has a quota.

/// Bytes in use. A program ends when it asks for more than its quota allows, so one
/// that collects what others make should know when to stop.
#[must_use]
pub fn used() -> usize {
    runtime::heap::used()
}
