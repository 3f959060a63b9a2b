//! Reads and writes memory that it was not given.
//!
//! So would a program that found a hole of the compiler. Language is the wall, so
//! nothing stops it without protection keys: it says what it could do then.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;

/// Pages that are read above the kernel's record: the next that the kernel handed out,
/// so there are heaps of others among them.
const PAGES: usize = 4096;

const PAGE: usize = 4096;

const SWITCHES: Switches = Switches::new("", "wild kernel|heaps");

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&SWITCHES);
    let [what] = options.operands() else {
        options.usage()
    };
    let record = breach::kernel_record();
    match what.as_str() {
        "kernel" => breach::write_memory(record),
        "heaps" => read_above(record),
        _ => options.usage(),
    }
    println!("wild: nothing stopped me");
    Ok(())
}

/// Reads a byte of each page, from near to far.
fn read_above(place: usize) {
    for distance in 0..PAGES {
        let _ = breach::read_memory(place + distance * PAGE);
    }
}
