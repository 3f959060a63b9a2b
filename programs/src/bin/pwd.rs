//! Prints the working directory.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;

#[posix::main]
fn main() -> io::Result<()> {
    let _ = Options::parse(&Switches::new("LP", "pwd"));
    println!("{}", posix::env::current_dir()?);
    Ok(())
}
