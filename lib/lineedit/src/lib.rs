//! Line editor and tty line discipline as pure state machines.
//!
//! Bytes of the keyboard go in, bytes for a VT100-compatible terminal come
//! out; nothing here reads, writes, waits or knows the time.
//!
//! [`Editor`] is for a shell's prompt: motion, kill and yank, history with
//! incremental search, completion. [`Cooked`] is what a console does for
//! programs that read plain lines: echo, erase, kill, end of file, interrupt.
//!
//! A line that needs more rows than the terminal has is edited correctly but
//! drawn wrongly, since what has scrolled away cannot be drawn again.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod buffer;
mod completion;
mod cooked;
mod editor;
mod history;
mod keys;
mod screen;
mod width;

pub use completion::{Completer, Completion, NoCompletion};
pub use cooked::{Cooked, CookedEvent, Mode};
pub use editor::{Editor, Event};
pub use history::History;
