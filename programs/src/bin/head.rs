//! Prints the beginnings of files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;

use posix::io;
use posix::prelude::*;
use posix::print_bytes;

extern crate alloc;

const SWITCHES: Switches =
    Switches::new("n:c:qv", "head [-qv] [-n [-]LINES | -c [-]BYTES] [FILE...]")
        .long(&[
            ("lines", 'n'),
            ("bytes", 'c'),
            ("quiet", 'q'),
            ("verbose", 'v'),
        ])
        .digits('n')
        .example("head -n 3 /etc/motd")
        .usage_status(1);

/// Which part of a file is its beginning.
#[derive(Clone, Copy)]
enum Part {
    Lines(u64),
    Bytes(u64),
    AllButLines(usize),
    AllButBytes(usize),
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let part = part(&options);
    let mut files = options.operands().to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    let has_titles = options.has('v') || files.len() > 1 && !options.has('q');
    let mut all_went_well = true;
    let mut gap = "";
    for file in &files {
        let result = io::input(file).and_then(|mut input| {
            if has_titles {
                let shown = if file == "-" { "standard input" } else { file };
                println!("{gap}==> {shown} <==");
                gap = "\n";
            }
            print_part(&mut input, part)
        });
        if let Err(error) = result {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn part(options: &Options) -> Part {
    let (letter, text) = match options.value('c') {
        Some(text) => ('c', text),
        None => ('n', options.value('n').unwrap_or("10")),
    };
    let (is_rest, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let Some(number) = utility::size::parse(digits) else {
        complain!("-{letter} needs a number, not {text}");
        posix::process::exit(SWITCHES.usage_status);
    };
    let kept = usize::try_from(number).unwrap_or(usize::MAX);
    match (letter, is_rest) {
        ('c', false) => Part::Bytes(number),
        ('c', true) => Part::AllButBytes(kept),
        (_, false) => Part::Lines(number),
        (_, true) => Part::AllButLines(kept),
    }
}

fn print_part(input: &mut dyn BufRead, part: Part) -> io::Result<()> {
    match part {
        Part::Lines(count) => print_lines(input, count),
        Part::Bytes(count) => print_some(input, count),
        Part::AllButLines(count) => print_all_but_lines(input, count),
        Part::AllButBytes(count) => print_all_but_bytes(input, count),
    }
}

fn print_lines(input: &mut dyn BufRead, count: u64) -> io::Result<()> {
    let mut line = Vec::new();
    for _ in 0..count {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        print_bytes(&line);
    }
    Ok(())
}

fn print_some(input: &mut dyn BufRead, count: u64) -> io::Result<()> {
    let mut left = count;
    while left > 0 {
        let buffer = input.fill_buf()?;
        let count = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        if count == 0 {
            break;
        }
        print_bytes(&buffer[..count]);
        input.consume(count);
        left -= count as u64;
    }
    Ok(())
}

/// A line is printed when there are `count` more behind it.
fn print_all_but_lines(input: &mut dyn BufRead, count: usize) -> io::Result<()> {
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    loop {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        kept.push_back(line);
        if kept.len() > count
            && let Some(line) = kept.pop_front()
        {
            print_bytes(&line);
        }
    }
}

fn print_all_but_bytes(input: &mut dyn BufRead, count: usize) -> io::Result<()> {
    let mut kept: VecDeque<u8> = VecDeque::new();
    loop {
        let buffer = input.fill_buf()?;
        let length = buffer.len();
        if length == 0 {
            return Ok(());
        }
        kept.extend(buffer);
        input.consume(length);
        let ready: Vec<u8> = kept.drain(..kept.len().saturating_sub(count)).collect();
        print_bytes(&ready);
    }
}
