//! Copies its input to its output and to files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{File, OpenOptions};
use posix::io;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("a", "tee [-a] [FILE...]")
    .long(&[("append", 'a')])
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let how = match options.has('a') {
        true => OpenOptions::new().append(true).create(true),
        false => OpenOptions::new().write(true).create(true).truncate(true),
    };
    let mut all_went_well = true;
    let mut files: Vec<(&String, File)> = Vec::new();
    for name in options.operands() {
        match how.open(name) {
            Ok(file) => files.push((name, file)),
            Err(error) => {
                complain!("{name}: {error}");
                all_went_well = false;
            }
        }
    }
    let mut buffer = vec![0; io::BUFFER_BYTES];
    loop {
        let count = match io::stdin().read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => {
                complain!("{error}");
                return ExitCode::FAILURE;
            }
        };
        posix::print_bytes(&buffer[..count]);
        files.retain_mut(|(name, file)| match file.write_all(&buffer[..count]) {
            Ok(()) => true,
            Err(error) => {
                complain!("{name}: {error}");
                all_went_well = false;
                false
            }
        });
    }
    ExitCode::from(all_went_well)
}
