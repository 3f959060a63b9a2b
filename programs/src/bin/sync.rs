//! Makes everything on the disks durable.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&Switches::new("", "sync"));
    if !options.operands().is_empty() {
        options.usage()
    }
    posix::fs::sync()
}
