//! Prints how long the system has been running.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::time::{DateTime, Instant, since_epoch};

#[posix::main]
fn main() {
    let options = Options::parse(&Switches::new("", "uptime"));
    if !options.operands().is_empty() {
        options.usage()
    }
    let now = DateTime::from_epoch_s(since_epoch().as_secs().cast_signed());
    let up_s = Instant::now().since_boot().as_secs();
    let (days, hours, minutes) = (up_s / 86_400, up_s / 3_600 % 24, up_s / 60 % 60);
    let processes = posix::process::processes().map_or(0, |all| all.len());
    println!(
        "{:02}:{:02}:{:02} up {days} days, {hours}:{minutes:02}:{:02}, {processes} processes",
        now.hour,
        now.minute,
        now.second,
        up_s % 60
    );
}
