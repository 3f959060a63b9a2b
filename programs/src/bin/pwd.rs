//! Prints the working directory.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&Switches::new("LP", "pwd"));
    if !options.operands().is_empty() {
        options.usage()
    }
    println!("{}", posix::env::current_dir()?);
    Ok(())
}
