//! The kernel as a Linux process: the machine `hosted`.
//!
//! A memory file stands in for RAM, pthreads for CPUs, signals for interrupts
//! and exceptions, standard input and output for the console, files for disks.
//! The kernel core and the domain images are those of every other machine.
//!
//! Kernel threads run on their own small stacks and, with several CPUs, move
//! between pthreads. Hence:
//!
//! **Invariant:** after start-up no function of libc is called but the
//! vdso-backed `clock_gettime`: everything else may hold locks or use `errno`,
//! which belongs to a pthread. System calls are made by [`system_call`].
#![cfg_attr(not(test), no_std, no_main)]

mod arguments;
mod clock;
mod console;
mod cpu;
#[cfg(not(test))]
mod entry;
mod file;
mod hosted;
mod memory;
mod signal;
mod start;
mod system_call;
#[cfg(test)]
mod tests;
