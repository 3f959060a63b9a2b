//! Atomics, by a name that the model checks of tests/models put others behind.

pub use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
