//! Prints the ends of files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;

use posix::fs::{File, OpenOptions};
use posix::io::{self, BufReader};
use posix::prelude::*;

extern crate alloc;

const SWITCHES: Switches =
    Switches::new("n:c:q", "tail [-q] [-n [+]LINES | -c [+]BYTES] [FILE...]")
        .long(&[("lines", 'n'), ("bytes", 'c')])
        .digits('n');

/// Which part of a file is its end.
#[derive(Clone, Copy)]
enum Part {
    LastLines(u64),
    FromLine(u64),
    LastBytes(u64),
    FromByte(u64),
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let part = part(&options);
    let mut files = options.operands().to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    let mut all_went_well = true;
    for (index, file) in files.iter().enumerate() {
        if files.len() > 1 && !options.has('q') {
            println!("{}==> {file} <==", if index > 0 { "\n" } else { "" });
        }
        if let Err(error) = print_tail(file, part) {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn part(options: &Options) -> Part {
    let (letter, text) = match (options.value('c'), options.value('n')) {
        (Some(text), _) => ('c', text),
        (None, text) => ('n', text.unwrap_or("10")),
    };
    let number = text.trim_start_matches(['+', '-']).parse();
    match (letter, text.starts_with('+'), number) {
        ('c', true, Ok(number)) => Part::FromByte(number),
        ('c', false, Ok(number)) => Part::LastBytes(number),
        (_, true, Ok(number)) => Part::FromLine(number),
        (_, false, Ok(number)) => Part::LastLines(number),
        (_, _, Err(_)) => {
            complain!("-{letter} needs a number, not {text}");
            posix::process::exit(2);
        }
    }
}

fn print_tail(file: &str, part: Part) -> io::Result<()> {
    let file = match file {
        "-" => OpenOptions::new()
            .read(true)
            .open("/dev/null")
            .map(|_| None)?,
        _ => Some(File::open(file)?),
    };
    let size = file.as_ref().and_then(|file| file.metadata().ok());
    let size = size
        .filter(|found| found.is_file())
        .map(|found| found.len());
    let input: Box<dyn Read> = match file {
        Some(mut file) => {
            if let (Part::LastBytes(count), Some(size)) = (part, size) {
                file.seek(io::SeekFrom::Start(size.saturating_sub(count)))?;
            }
            Box::new(file)
        }
        None => Box::new(io::stdin()),
    };
    let mut input = BufReader::new(input);
    match part {
        Part::LastLines(count) => print_last_lines(&mut input, count),
        Part::FromLine(first) => {
            let mut skipped = Vec::new();
            for _ in 1..first {
                if input.read_until(b'\n', &mut skipped)? == 0 {
                    break;
                }
                skipped.clear();
            }
            io::copy(&mut input, &mut io::stdout()).map(drop)
        }
        Part::LastBytes(count) => {
            let mut all = Vec::new();
            input.read_to_end(&mut all)?;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            io::stdout().write_all(&all[all.len().saturating_sub(count)..])
        }
        Part::FromByte(first) => {
            let mut all = Vec::new();
            input.read_to_end(&mut all)?;
            let first = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
            io::stdout().write_all(all.get(first..).unwrap_or(&[]))
        }
    }
}

fn print_last_lines(input: &mut BufReader<Box<dyn Read>>, count: u64) -> io::Result<()> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    loop {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        lines.push_back(line);
        if lines.len() > count {
            lines.pop_front();
        }
    }
    for line in lines {
        io::stdout().write_all(&line)?;
    }
    Ok(())
}
