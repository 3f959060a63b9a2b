//! Reads and writes memory that it was not given.
//!
//! So would a program that found a hole of the compiler. Language is the wall, so
//! nothing stops it without protection keys: it says what it could do then.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io::{self, Error};
use posix::prelude::*;
use posix::process::Errno;
use posix::time::{self, Duration};

/// How long the victim is there.
const VICTIM_TIME: Duration = Duration::from_secs(60);

const SWITCHES: Switches = Switches::new("", "wild kernel|victim|heap ADDRESS");

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&SWITCHES);
    let operands: Vec<&str> = options.operands().iter().map(String::as_str).collect();
    match operands[..] {
        ["kernel"] => breach::write_memory(breach::kernel_record()),
        ["victim"] => return be_victim(),
        ["heap", address] => {
            let address = address.parse().map_err(|_| Error::from(Errno::EINVAL))?;
            let _ = breach::read_memory(address);
        }
        _ => options.usage(),
    }
    println!("wild: nothing stopped me");
    Ok(())
}

/// Says where something of its own heap lies.
fn be_victim() -> io::Result<()> {
    let secret = Box::new(0x5ec2_e700_u64);
    println!("{}", breach::address_of(&*secret));
    io::stdout().flush()?;
    time::sleep(VICTIM_TIME);
    Ok(())
}
