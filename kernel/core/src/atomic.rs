//! Atomics, by a name that the model checks of tests/models put others behind.

pub use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
