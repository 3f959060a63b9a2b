//! Prints the kernel log, or crash records.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::supervisor::Supervisor;

const SWITCHES: Switches = Switches::new("c", "dmesg [-c]").long(&[("crashes", 'c')]);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if !options.operands().is_empty() {
        options.usage();
    }
    let supervisor = match posix::supervisor() {
        Ok(supervisor) => supervisor,
        Err(error) => {
            complain!("no supervisor: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut buffer = vec![0; 16 * 1024];
    let mut position = if options.has('c') { 1 } else { 0 };
    loop {
        let answer = match options.has('c') {
            true => supervisor
                .crash_record(position, &mut buffer)
                .map(|length| (length, position + 1)),
            false => supervisor
                .log(position, &mut buffer)
                .map(|part| (part.length, part.next)),
        };
        let Ok((length, next)) = answer else {
            complain!("the supervisor does not answer");
            return ExitCode::FAILURE;
        };
        let length = usize::try_from(length).unwrap_or(0).min(buffer.len());
        if length == 0 {
            return ExitCode::SUCCESS;
        }
        // A crash record that is not kept any more is an empty line.
        if !options.has('c') || buffer[..length] != *b"\n" {
            posix::print_bytes(&buffer[..length]);
        }
        position = next;
    }
}
