//! Makes files, or sets their times to now.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{self, OpenOptions};
use posix::io;
use posix::prelude::*;
use posix::time::since_epoch;

const SWITCHES: Switches =
    Switches::new("cd:", "touch [-c] [-d SECONDS-SINCE-1970] FILE...").usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.operands().is_empty() {
        options.usage();
    }
    let time_s = match options.value('d').map(str::parse) {
        None => since_epoch().as_secs().cast_signed(),
        Some(Ok(time_s)) => time_s,
        Some(Err(_)) => {
            complain!("-d needs seconds since 1970, negative before it");
            return ExitCode::FAILURE;
        }
    };
    let mut all_went_well = true;
    for file in options.operands() {
        if let Err(error) = touch(file, time_s, !options.has('c')) {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn touch(file: &str, time_s: i64, creates: bool) -> io::Result<()> {
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
