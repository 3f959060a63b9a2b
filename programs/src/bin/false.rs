//! Fails.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::process::ExitCode;

#[posix::main]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
