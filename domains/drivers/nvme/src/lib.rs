//! NVM Express 1.4: the driver's logic, apart from the domain around it.
//!
//! [`driver::Driver`] is the block device. Below it: [`controller`] starts and
//! resets the controller and speaks the admin commands; [`lane`] is a CPU's way
//! to the device, shared with no other CPU: a pair of queues and their doorbells
//! ([`queue`]), who waits for which command and which buffer the device has
//! ([`requests`]), and lists that describe buffers to the device ([`prp`]).
//! All of it is generic over the registers and the platform, and runs against
//! a modelled controller in `tests/`.
//!
//! Not supported: metadata and protection information, namespaces that come and
//! go, weighted arbitration, controller memory.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod command;
pub mod controller;
pub mod driver;
pub mod error;
pub mod identify;
pub mod lane;
mod open;
pub mod prp;
pub mod queue;
pub mod registers;
pub mod requests;
pub mod settings;

pub use open::{PciDriver, open};
