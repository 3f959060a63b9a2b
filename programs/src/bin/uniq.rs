//! Prints lines once that follow each other.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::File;
use posix::io::{self, BufWriter};
use posix::prelude::*;

const SWITCHES: Switches = Switches::new(
    "cduif:s:w:",
    "uniq [-cdiu] [-f FIELDS] [-s BYTES] [-w BYTES] [INPUT [OUTPUT]]",
)
.long(&[
    ("count", 'c'),
    ("repeated", 'd'),
    ("unique", 'u'),
    ("ignore-case", 'i'),
    ("skip-fields", 'f'),
    ("skip-chars", 's'),
    ("check-chars", 'w'),
])
.example("sort words | uniq -c")
.usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let (from, to) = match options.operands() {
        [] => ("-", "-"),
        [from] => (from.as_str(), "-"),
        [from, to] => (from.as_str(), to.as_str()),
        _ => options.usage(),
    };
    let mut input = match io::input(from) {
        Ok(input) => input,
        Err(error) => {
            complain!("{from}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match to {
        "-" => print_unique(&options, &mut input, &mut io::stdout()),
        _ => File::create(to).and_then(|file| {
            let mut output = BufWriter::new(file);
            print_unique(&options, &mut input, &mut output)?;
            output.flush()
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(error) => {
            complain!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn print_unique(
    options: &Options,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> io::Result<()> {
    let mut count = 0_u64;
    let mut kept = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let is_end = input.read_until(b'\n', &mut line)? == 0;
        line.pop_if(|byte| *byte == b'\n');
        if !is_end && count > 0 && is_equal(options, &kept, &line) {
            count += 1;
            continue;
        }
        let is_wanted = match (options.has('d'), options.has('u')) {
            (true, true) => false,
            (true, false) => count > 1,
            (false, true) => count == 1,
            (false, false) => count > 0,
        };
        if is_wanted {
            if options.has('c') {
                write!(output, "{count:7} ")?;
            }
            output.write_all(&kept)?;
            output.write_all(b"\n")?;
        }
        if is_end {
            return Ok(());
        }
        core::mem::swap(&mut kept, &mut line);
        count = 1;
    }
}

fn is_equal(options: &Options, one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (key(options, one), key(options, other));
    match options.has('i') {
        true => one.eq_ignore_ascii_case(other),
        false => one == other,
    }
}

/// The part of a line that is compared.
fn key<'a>(options: &Options, line: &'a [u8]) -> &'a [u8] {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let number = |letter| {
        options
            .number(letter)
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    let mut key = line;
    for _ in 0..number('f').unwrap_or(0).min(line.len()) {
        key = &key[key.iter().take_while(is_blank).count()..];
        key = &key[key.iter().take_while(|byte| !is_blank(byte)).count()..];
    }
    key = &key[number('s').unwrap_or(0).min(key.len())..];
    &key[..number('w').unwrap_or(usize::MAX).min(key.len())]
}
