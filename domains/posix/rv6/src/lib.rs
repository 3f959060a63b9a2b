//! Rv6: a Unix personality whose every process is a domain.
//!
//! A process's system calls are crossings to its [`process::ProcessState`],
//! through the interface `Process`. Rv6 keeps what Unix keeps in its kernel:
//! descriptors ([`descriptors`]), open files ([`open_file`]), pipes ([`pipe`]),
//! the terminal ([`terminal`]), the table of processes ([`table`]), and path
//! resolution ([`path`]) over a file system that knows inodes only.
//!
//! There is no `fork`, since a domain cannot be copied: a process is started
//! with `spawn`, as a new domain, from a signed image on the disk. There are no
//! signals either; `kill` ends a process, and a shell sees 128 plus the number
//! of the signal that Unix would have used ([`ends::status_of_cause`]).
//!
//! Rv6 reaches the kernel through the trait [`system::System`] only, so all of
//! this runs on the host under test.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod budget;
mod calls;
mod change;
mod charges;
pub mod descriptors;
pub mod device;
pub mod disk;
pub mod ends;
pub mod errno;
pub mod image;
pub mod journal;
pub mod lanes;
pub mod open_file;
pub mod path;
mod path_calls;
pub mod pipe;
pub mod process;
pub mod record;
mod revive;
pub mod rv6;
pub mod starts;
mod sync;
pub mod system;
pub mod table;
pub mod terminal;
pub mod wake;

#[cfg(test)]
mod tests;
