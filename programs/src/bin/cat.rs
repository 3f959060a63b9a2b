//! Copies files to standard output.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::File;
use posix::io::{self, BufReader};
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("nu", "cat [-n] [FILE...]").long(&[("number", 'n')]);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut files = options.operands().to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    let mut line_number = 0;
    let mut all_went_well = true;
    for file in &files {
        let numbers = options.has('n').then_some(&mut line_number);
        if let Err(error) = copy(file, numbers) {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn copy(file: &str, numbers: Option<&mut u64>) -> io::Result<()> {
    let mut input: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(file)?),
    };
    match numbers {
        None => copy_bytes(&mut *input),
        Some(line_number) => copy_numbered(BufReader::new(input), line_number),
    }
}

fn copy_bytes(input: &mut dyn Read) -> io::Result<()> {
    let mut buffer = vec![0; 4 * io::BUFFER_BYTES];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            count => posix::print_bytes(&buffer[..count]),
        }
    }
}

fn copy_numbered(mut input: BufReader<Box<dyn Read>>, line_number: &mut u64) -> io::Result<()> {
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        *line_number += 1;
        print!("{line_number:6}\t");
        posix::print_bytes(&line);
        line.clear();
    }
    Ok(())
}
