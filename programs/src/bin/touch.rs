//! Makes files, or sets their times to now.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{self, OpenOptions};
use posix::io;
use posix::prelude::*;
use posix::time::since_epoch;

const SWITCHES: Switches = Switches::new("cd:", "touch [-c] [-d SECONDS-SINCE-1970] FILE...");

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.operands().is_empty() {
        options.usage();
    }
    let time_s = options
        .number('d')
        .unwrap_or_else(|| since_epoch().as_secs());
    let mut all_went_well = true;
    for file in options.operands() {
        if let Err(error) = touch(file, time_s, !options.has('c')) {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn touch(file: &str, time_s: u64, creates: bool) -> io::Result<()> {
    match fs::set_times(file, time_s, time_s) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !creates {
                return Ok(());
            }
            OpenOptions::new().write(true).create(true).open(file)?;
            fs::set_times(file, time_s, time_s)
        }
        other => other,
    }
}
