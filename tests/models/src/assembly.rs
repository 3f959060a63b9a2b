//! The kernel's assembly text, run one instruction at a time.
//!
//! As much of x86-64 and of the GNU assembler's language as the crossing stub and
//! what calls it are written in; anything else is a panic. Memory is the caller's
//! ([`Memory`]): some words are a thread's own, others shared and the model
//! checker's.

mod processor;
mod program;

pub use processor::{Memory, Processor};
pub use program::{CODE, Program};
