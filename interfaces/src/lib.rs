//! Every interface between domains, and the types that cross it.
//!
//! One module per interface; signatures only. An interface says what its
//! methods promise and which errors they make; how a domain keeps the promise
//! is its own business. Changing anything here changes a fingerprint, and the
//! loader refuses to wire old images to new ones.
#![no_std]
#![forbid(unsafe_code)]

pub mod bench;
pub mod block;
pub mod files;
pub mod keep;
pub mod process;
pub mod stress;
pub mod succession;
pub mod supervisor;
