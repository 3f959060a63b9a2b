//! Lists processes.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;
use posix::process;
use posix::time::Instant;

#[posix::main]
fn main() -> io::Result<()> {
    let options = Options::parse(&Switches::new("", "ps"));
    if !options.operands().is_empty() {
        options.usage()
    }
    let now_ns = Instant::now().since_boot().as_nanos();
    println!(
        "{:>5} {:>5} {:>5} {:>5} {:>8} COMMAND",
        "PID", "PPID", "STATE", "FILES", "AGE"
    );
    for one in process::processes()? {
        let age_s = now_ns.saturating_sub(u128::from(one.started_ns)) / 1_000_000_000;
        println!(
            "{:5} {:5} {:>5} {:5} {:5}:{:02} {}",
            one.pid,
            one.parent,
            if one.has_ended { "ended" } else { "runs" },
            one.descriptors,
            age_s / 60,
            age_s % 60,
            one.command
        );
    }
    Ok(())
}
