//! Printing: `print!`, `println!`, `eprint!`, `eprintln!`, `complain!`.

use core::fmt;

use crate::io::{self, Write};
use crate::process;

/// Writes to standard output, as `std::print`.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::print_out(::core::format_args!($($argument)*)) };
}

/// Writes a line to standard output, as `std::println`.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($argument:tt)*) => {
        $crate::print_out(::core::format_args!("{}\n", ::core::format_args!($($argument)*)))
    };
}

/// Writes to standard error, as `std::eprint`.
#[macro_export]
macro_rules! eprint {
    ($($argument:tt)*) => { $crate::print_error(::core::format_args!($($argument)*)) };
}

/// Writes a line to standard error, as `std::eprintln`.
#[macro_export]
macro_rules! eprintln {
    () => { $crate::eprint!("\n") };
    ($($argument:tt)*) => {
        $crate::print_error(::core::format_args!("{}\n", ::core::format_args!($($argument)*)))
    };
}

/// Writes a line to standard error, the program's name in front.
#[macro_export]
macro_rules! complain {
    ($($argument:tt)*) => {
        $crate::eprintln!("{}: {}", $crate::env::program_name(), ::core::format_args!($($argument)*))
    };
}

/// Writes bytes to standard output, where `print!` writes text.
pub fn print_bytes(bytes: &[u8]) {
    if let Err(error) = io::stdout().write_all(bytes) {
        process::end_for_output(&error);
    }
}

/// What `print!` calls. A program whose output goes nowhere ends.
pub fn print_out(text: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().write_fmt(text) {
        process::end_for_output(&error);
    }
}

/// What `eprint!` calls. If even errors cannot be written, they are lost.
pub fn print_error(text: fmt::Arguments<'_>) {
    // One write for one message keeps it in one piece among other writers'.
    let _ = io::stderr().write_all(alloc::fmt::format(text).as_bytes());
}
