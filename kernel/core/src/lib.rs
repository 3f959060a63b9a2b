//! The portable microkernel: threads, domains, crossings, exchange heap.
//!
//! Written against one trait ([`machine::Machine`]) that bare x86-64 and a
//! Linux process implement. It never learns what a block device or a file is:
//! domains get memory, threads, waiting, proxies, devices as capabilities, and
//! an end that takes nothing else with it.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod apart;
mod atomic;
pub mod audit;
mod balance;
pub mod boot;
mod charge;
mod claim;
pub mod console;
pub mod context;
pub mod cpu;
pub mod crossing;
pub mod death;
pub mod device;
pub mod domain;
pub mod exchange;
pub mod export;
mod famine;
pub mod fault;
pub mod frames;
pub mod harden;
pub mod heap;
pub mod image;
pub mod inject;
pub mod interrupt;
pub mod iommu;
mod life;
mod limits;
pub mod log;
pub mod machine;
pub mod memory;
pub mod offer;
pub mod page_table;
pub mod panic;
pub mod pci;
mod question;
mod ready;
pub mod record;
mod rights;
mod run_queue;
// Not in the file, which tests/models compiles without threads to make.
#[cfg(test)]
mod run_queue_tests;
pub mod run_state;
pub mod scan;
pub mod scheduler;
pub mod services;
pub mod spin_lock;
pub mod start;
pub mod statistics;
mod stop;
pub mod sync;
mod tally;
pub mod thread;
mod timers;
pub mod trace;
pub mod wait;
mod watchdog;
