//! A program that does nothing but wait for its death.

use posix::io;
use posix::prelude::*;
use posix::process::{Child, Command};
use posix::time::{self, Duration};

use crate::PROGRAM;

/// What it is called among the targets.
pub const NAME: &str = "victim";

/// Computes and rests in turn, so that a fault meets it here or there.
pub fn run() -> ! {
    let mut number = 1_u64;
    loop {
        for _ in 0..10_000 {
            number = core::hint::black_box(number.wrapping_mul(3) ^ number >> 7);
        }
        time::sleep(Duration::from_millis(1));
    }
}

/// Starts one.
pub fn start() -> io::Result<Child> {
    Command::new(PROGRAM).args(["--worker", NAME]).spawn()
}

/// What its domain is called.
pub fn domain(child: &Child) -> String {
    format!("campaign.{}", child.id())
}
