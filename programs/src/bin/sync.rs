//! Makes everything on the disks durable.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;

#[posix::main]
fn main() -> io::Result<()> {
    posix::fs::sync()
}
