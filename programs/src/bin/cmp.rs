//! Compares two files byte by byte.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("lsbn:", "cmp [-ls] [-n BYTES] FILE [FILE]")
    .long(&[
        ("verbose", 'l'),
        ("silent", 's'),
        ("quiet", 's'),
        ("bytes", 'n'),
    ])
    .example("cmp old new && echo equal");

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let (one, other) = match options.operands() {
        [one] => (one.as_str(), "-"),
        [one, other] => (one.as_str(), other.as_str()),
        _ => options.usage(),
    };
    let mut inputs = Vec::new();
    for file in [one, other] {
        match io::input(file) {
            Ok(input) => inputs.push(input),
            Err(error) => {
                if !options.has('s') {
                    complain!("{file}: {error}");
                }
                return ExitCode::from(2);
            }
        }
    }
    match compare(&options, (one, other), &mut inputs) {
        Ok(are_equal) => ExitCode::from(are_equal),
        Err(error) => {
            complain!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the files are equal; says where they are not.
fn compare(
    options: &Options,
    (one, other): (&str, &str),
    inputs: &mut [Box<dyn BufRead>],
) -> io::Result<bool> {
    let mut position = 0_u64;
    let mut line = 1_u64;
    let mut are_equal = true;
    let limit = options.number('n').unwrap_or(u64::MAX);
    while position < limit {
        let mut bytes = [None; 2];
        for (byte, input) in bytes.iter_mut().zip(inputs.iter_mut()) {
            *byte = input.fill_buf()?.first().copied();
            input.consume(usize::from(byte.is_some()));
        }
        position += 1;
        let (left, right) = match bytes {
            [None, None] => break,
            [Some(left), Some(right)] => (left, right),
            [left, _] => {
                let shorter = if left.is_none() { one } else { other };
                if !options.has('s') {
                    eprintln!("cmp: EOF on {shorter} after byte {}", position - 1);
                }
                return Ok(false);
            }
        };
        if left != right {
            are_equal = false;
            match (options.has('s'), options.has('l')) {
                (true, _) => break,
                (false, true) => println!("{position} {left:3o} {right:3o}"),
                (false, false) => {
                    println!("{one} {other} differ: char {position}, line {line}");
                    break;
                }
            }
        }
        line += u64::from(left == b'\n');
    }
    Ok(are_equal)
}
