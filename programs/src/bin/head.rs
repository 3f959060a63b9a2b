//! Prints the beginnings of files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::File;
use posix::io::{self, BufReader};
use posix::prelude::*;
use posix::print_bytes;

const SWITCHES: Switches = Switches::new("n:c:q", "head [-q] [-n LINES | -c BYTES] [FILE...]")
    .long(&[("lines", 'n'), ("bytes", 'c')])
    .digits('n');

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut files = options.operands().to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    let mut all_went_well = true;
    for (index, file) in files.iter().enumerate() {
        if files.len() > 1 && !options.has('q') {
            println!("{}==> {file} <==", if index > 0 { "\n" } else { "" });
        }
        if let Err(error) = print_head(file, &options) {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn print_head(file: &str, options: &Options) -> io::Result<()> {
    let input: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(file)?),
    };
    let mut input = BufReader::new(input);
    let mut piece = Vec::new();
    if let Some(mut bytes) = options.number('c') {
        while bytes > 0 {
            let buffer = input.fill_buf()?;
            let count = buffer
                .len()
                .min(usize::try_from(bytes).unwrap_or(usize::MAX));
            if count == 0 {
                break;
            }
            print_bytes(&buffer[..count]);
            input.consume(count);
            bytes -= count as u64;
        }
        return Ok(());
    }
    for _ in 0..options.number('n').unwrap_or(10) {
        piece.clear();
        if input.read_until(b'\n', &mut piece)? == 0 {
            break;
        }
        print_bytes(&piece);
    }
    Ok(())
}
