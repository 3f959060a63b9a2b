//! What every domain is linked with: heap, threads, locks, time, log, grants.
//!
//! Safe wrappers around the kernel's table of services. What every domain may
//! do is a free function here (threads, time, log, randomness); what needs a
//! capability is a method of the value the domain was handed
//! ([`DomainControl`], [`Console`], [`HostFile`], [`BootArchive`]). Nothing here
//! gives a domain a right it was not granted.
//!
//! Devices are in `trusted/hardware`, the exchange heap in `trusted/exchange`.
#![no_std]

extern crate alloc;
#[cfg(redleaf_image)]
extern crate memory_functions as _;

mod archive;
mod console;
mod control;
pub mod entry;
pub mod heap;
mod host_file;
mod logging;
mod options;
#[cfg(redleaf_image)]
mod panic;
mod random;
pub mod sync;
pub mod thread;
pub mod time;

pub use abi::death::{DeathCause, InjectedFault};
pub use abi::device::DmaMode;
pub use abi::limits::Limits;
pub use abi::services::{Audit, DeathNotice, DomainInfo, DomainState, EdgeInfo, TraceEvent};
pub use abi::status::ServiceError;
pub use archive::BootArchive;
pub use console::Console;
pub use control::{
    AnyProxy, DomainControl, GivenGrant, Image, ImageError, Start, StartFailure, StartOutcome,
    Started, Trace,
};
pub use entry::{Bytes, ExitStatus, StartError, start_program};
pub use exchange::thread::services;
pub use exchange::{Interface, Proxy};
pub use host_file::HostFile;
pub use log;
pub use macros::{domain, program};
pub use options::{OptionError, Options};
pub use random::random;
pub use thread::exit;

/// A name as the kernel keeps it, as text.
#[must_use]
pub fn name_text(name: &abi::note::Name) -> &str {
    let length = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    core::str::from_utf8(&name[..length]).unwrap_or("?")
}
