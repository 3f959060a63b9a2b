//! What utilities and the shell's builtins of the same name share.
//!
//! [`printf`] formats, [`escape`] knows the backslashes of `echo` and `printf`, and
//! [`condition`] evaluates what `test` is asked; [`ranges`] are `cut`'s, [`translate`] has
//! the sets of `tr`, [`size`] counts with a suffix,
//! [`order`] and [`numeric`] compare lines for `sort`, [`mode`] is `chmod`'s and
//! [`expression`] what `expr` evaluates. None of them prints or looks at a
//! file: callers do, the latter by the trait [`condition::Files`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod condition;
pub mod escape;
pub mod expression;
pub mod mode;
mod number;
pub mod numeric;
pub mod order;
pub mod printf;
pub mod ranges;
pub mod size;
pub mod translate;
