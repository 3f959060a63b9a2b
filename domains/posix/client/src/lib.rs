//! What a program of Rv6 is written against, in the style of Rust's `std`.
//!
//! A program is an ordinary `fn main` marked [`macro@main`]. Modules, types and
//! methods have the names they have in `std` and behave alike, as far as they
//! exist. Differences: paths and names are UTF-8 strings; errors print POSIX's
//! own text; a write to a pipe that nobody reads ends the program with status
//! 141, as SIGPIPE does in a shell on Unix.
//!
//! ```ignore
//! #[posix::main]
//! fn main() -> posix::process::ExitCode {
//!     posix::println!("hello");
//!     posix::process::ExitCode::SUCCESS
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod administration;
mod calls;
pub mod env;
pub mod fs;
pub mod io;
mod lanes;
pub mod memory;
mod options;
pub mod path;
pub mod prelude;
mod print;
pub mod process;
mod start;
mod system;
pub mod time;

pub use calls::{Calls, Successor};
pub use exchange::Proxy;
pub use interfaces::process::Process;
pub use interfaces::supervisor;
pub use macros::main;
pub use options::{Options, Switches};
#[doc(hidden)]
pub use print::{print_bytes, print_error, print_out};
#[doc(hidden)]
pub use start::start;
pub use system::{supervisor, system};

/// Formats text, as `std::format`.
#[doc(hidden)]
pub use alloc::format;
