//! Prints where programs are.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::{fs, path};

const SWITCHES: Switches = Switches::new("a", "which [-a] PROGRAM...")
    .example("which sh")
    .usage_status(2);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut are_found = !options.operands().is_empty();
    for name in options.operands() {
        let places = places(name);
        are_found &= !places.is_empty();
        let count = if options.has('a') { places.len() } else { 1 };
        for place in places.iter().take(count) {
            println!("{place}");
        }
    }
    ExitCode::from(are_found)
}

/// All programs of a name, in the order in which they are looked for.
fn places(name: &str) -> Vec<String> {
    let candidates: Vec<String> = if name.contains('/') {
        vec![name.to_owned()]
    } else {
        let directories = posix::env::var("PATH").unwrap_or_default();
        let directories = directories.split(':');
        directories
            .map(|directory| path::join(directory, name))
            .collect()
    };
    let is_program = |place: &String| {
        fs::metadata(place)
            .is_ok_and(|found| found.is_file() && found.attributes().mode & 0o111 != 0)
    };
    candidates.into_iter().filter(is_program).collect()
}
