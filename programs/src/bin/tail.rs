//! Prints the ends of files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;

use posix::fs::File;
use posix::io::{self, BufReader};
use posix::prelude::*;

extern crate alloc;

const SWITCHES: Switches =
    Switches::new("n:c:qv", "tail [-qv] [-n [+]LINES | -c [+]BYTES] [FILE...]")
        .long(&[("lines", 'n'), ("bytes", 'c')])
        .digits('n')
        .example("dmesg | tail -n 20")
        .usage_status(1);

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
    let mut gap = "";
    for file in &files {
        let is_there = file == "-" || posix::fs::exists(file);
        if is_there && files.len() > 1 && !options.has('q') || options.has('v') {
            let shown = if file == "-" { "standard input" } else { file };
            println!("{gap}==> {shown} <==");
            gap = "\n";
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
    let number = utility::size::parse(text.strip_prefix(['+', '-']).unwrap_or(text));
    match (letter, text.starts_with('+'), number) {
        ('c', true, Some(number)) => Part::FromByte(number),
        ('c', false, Some(number)) => Part::LastBytes(number),
        (_, true, Some(number)) => Part::FromLine(number),
        (_, false, Some(number)) => Part::LastLines(number),
        (_, _, None) => {
            complain!("-{letter} needs a number, not {text}");
            posix::process::exit(SWITCHES.usage_status);
        }
    }
}

fn print_tail(file: &str, part: Part) -> io::Result<()> {
    let mut input = match (file, part) {
        ("-", _) => io::input(file)?,
        (_, Part::LastBytes(count)) => {
            let mut opened = File::open(file)?;
            let found = opened.metadata()?;
            if found.is_file() {
                let start = found.len().saturating_sub(count);
                opened.seek(io::SeekFrom::Start(start))?;
            }
            Box::new(BufReader::new(opened))
        }
        _ => io::input(file)?,
    };
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
        Part::LastBytes(count) => print_last_bytes(&mut input, count),
        Part::FromByte(first) => {
            let mut left = first.saturating_sub(1);
            while left > 0 {
                let ready = input.fill_buf()?.len() as u64;
                if ready == 0 {
                    break;
                }
                let skipped = ready.min(left);
                input.consume(usize::try_from(skipped).unwrap_or(usize::MAX));
                left -= skipped;
            }
            io::copy(&mut input, &mut io::stdout()).map(drop)
        }
    }
}

/// Keeps no more than is to be printed, and a buffer.
fn print_last_bytes(input: &mut dyn BufRead, count: u64) -> io::Result<()> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut kept: VecDeque<u8> = VecDeque::new();
    loop {
        let buffer = input.fill_buf()?;
        let length = buffer.len();
        if length == 0 {
            break;
        }
        kept.extend(buffer);
        input.consume(length);
        kept.drain(..kept.len().saturating_sub(count));
    }
    let (first, second) = kept.as_slices();
    io::stdout().write_all(first)?;
    io::stdout().write_all(second)
}

fn print_last_lines(input: &mut dyn BufRead, count: u64) -> io::Result<()> {
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
