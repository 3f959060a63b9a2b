//! Shows bytes as hexadecimal numbers.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::File;
use posix::io::{self, BufReader};
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("Cn:s:v", "hexdump [-Cv] [-n BYTES] [-s SKIP] [FILE]");

/// Bytes in a row.
const ROW: usize = 16;

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let file = match options.operands() {
        [] => "-",
        [file] => file,
        _ => options.usage(),
    };
    match dump(file, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dump(file: &str, options: &Options) -> io::Result<()> {
    let input: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(file)?),
    };
    let mut input = BufReader::new(input);
    let mut offset = 0;
    let mut byte = [0];
    while offset < options.number('s').unwrap_or(0) && input.read(&mut byte)? == 1 {
        offset += 1;
    }
    let mut left = options.number('n').unwrap_or(u64::MAX);
    let mut before: Option<[u8; ROW]> = None;
    let mut is_repeating = false;
    loop {
        let mut row = [0; ROW];
        let wanted = usize::try_from(left).unwrap_or(ROW).min(ROW);
        let length = fill(&mut input, &mut row[..wanted])?;
        if length == 0 {
            break;
        }
        if length == ROW && before == Some(row) && !options.has('v') {
            if !is_repeating {
                println!("*");
            }
            is_repeating = true;
        } else {
            print_row(offset, &row[..length], options.has('C'));
            is_repeating = false;
        }
        before = (length == ROW).then_some(row);
        offset += length as u64;
        left -= length as u64;
    }
    match options.has('C') {
        true => println!("{offset:08x}"),
        false => println!("{offset:07x}"),
    }
    Ok(())
}

fn fill(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match input.read(&mut into[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

fn print_row(offset: u64, row: &[u8], is_canonical: bool) {
    let mut line = String::new();
    if !is_canonical {
        // Words of two bytes, the low one first, as the historical program.
        for pair in row.chunks(2) {
            let high = pair.get(1).copied().unwrap_or(0);
            line.push_str(&format!(" {:02x}{:02x}", high, pair[0]));
        }
        println!("{offset:07x}{line}");
        return;
    }
    for (index, byte) in row.iter().enumerate() {
        let gap = if index % 8 == 0 { "  " } else { " " };
        line.push_str(&format!("{gap}{byte:02x}"));
    }
    let shown: String = row
        .iter()
        .map(|byte| {
            if (b' '..=b'~').contains(byte) {
                char::from(*byte)
            } else {
                '.'
            }
        })
        .collect();
    println!("{offset:08x}{line:50}  |{shown}|");
}
