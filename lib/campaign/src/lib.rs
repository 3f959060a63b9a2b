//! A campaign of faults: what is injected where, and what became of it.
//!
//! The program `campaign`, which injects, and `./redleaf campaign`, which counts,
//! share this: a [`Plan`] makes [`Fault`]s out of a seed, each ends in an
//! [`Outcome`], and an outcome is one line of text.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cause;
mod outcome;
mod plan;

pub use cause::Cause;
pub use chance::Chance;
pub use outcome::{BadLine, Outcome};
pub use plan::{Fault, Kind, Plan, Target};
