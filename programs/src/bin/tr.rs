//! Replaces, removes or squeezes bytes.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;
use posix::print_bytes;
use utility::translate::{Set, SetError};

const SWITCHES: Switches = Switches::new("cCdst", "tr [-cdst] SET [SET]")
    .long(&[
        ("complement", 'c'),
        ("delete", 'd'),
        ("squeeze-repeats", 's'),
        ("truncate-set1", 't'),
    ])
    .example("echo hello | tr a-z A-Z")
    .stopping()
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let (deletes, squeezes) = (options.has('d'), options.has('s'));
    let (first, second) = match options.operands() {
        [first] if deletes != squeezes => (first, None),
        [first, second] if deletes == squeezes || squeezes => (first, Some(second)),
        _ => options.usage(),
    };
    let sets = parse(first).zip(parse(second.map_or("", String::as_str)));
    let Some((mut first, second_set)) = sets else {
        return ExitCode::FAILURE;
    };
    if options.has('c') || options.has('C') {
        first = first.complement();
    }
    let identity = core::array::from_fn(|byte| u8::try_from(byte).unwrap_or_default());
    let map = match second {
        Some(_) if !deletes => first.map_to(&second_set, options.has('t')),
        _ => Ok(identity),
    };
    let map = match map {
        Ok(map) => map,
        Err(error) => {
            complain_of("", error);
            return ExitCode::FAILURE;
        }
    };
    let deleted = if deletes {
        first.members()
    } else {
        [false; 256]
    };
    let squeezed = match (squeezes, second) {
        (false, _) => [false; 256],
        (true, None) => first.members(),
        (true, Some(_)) => second_set.members(),
    };
    match translate(&map, &deleted, &squeezed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(text: &str) -> Option<Set> {
    let set = Set::parse(text.as_bytes());
    set.inspect_err(|error| complain_of(text, *error)).ok()
}

fn complain_of(text: &str, error: SetError) {
    match error {
        SetError::Backwards => complain!("{text}: a range ends before it starts"),
        SetError::Class => complain!("{text}: no such class of bytes"),
        SetError::Empty => complain!("the second set is empty"),
    }
}

fn translate(map: &[u8; 256], deleted: &[bool; 256], squeezed: &[bool; 256]) -> io::Result<()> {
    let mut input = io::stdin();
    let mut last = None;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let length = buffer.len();
        let mut output = Vec::with_capacity(length);
        let kept = buffer.iter().filter(|byte| !deleted[usize::from(**byte)]);
        for byte in kept.map(|byte| map[usize::from(*byte)]) {
            if last != Some(byte) || !squeezed[usize::from(byte)] {
                output.push(byte);
            }
            last = Some(byte);
        }
        input.consume(length);
        print_bytes(&output);
    }
}
