//! Tests a condition; also as `[`.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

#[path = "../files.rs"]
mod files;

use posix::prelude::*;
use utility::condition;

#[posix::main]
fn main() -> ExitCode {
    let words: Vec<String> = posix::env::args().collect();
    let mut words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    if posix::env::program_name() == "[" && words.pop() != Some("]") {
        complain!("a closing ] is missing");
        return ExitCode::from(2);
    }
    match condition::evaluate(&words, &files::SystemFiles) {
        Ok(holds) => ExitCode::from(holds),
        Err(wrong) => {
            complain!("{wrong}");
            ExitCode::from(2)
        }
    }
}
