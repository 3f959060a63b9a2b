//! Copies files to standard output.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{File, Inode, Metadata};
use posix::io::{self, BufReader};
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("nubsETvAet", "cat [-AbEensTtuv] [FILE...]")
    .long(&[
        ("number", 'n'),
        ("number-nonblank", 'b'),
        ("squeeze-blank", 's'),
        ("show-ends", 'E'),
        ("show-tabs", 'T'),
        ("show-nonprinting", 'v'),
        ("show-all", 'A'),
    ])
    .example("cat -n /etc/motd")
    .usage_status(1);

/// How lines are shown.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "one for each option")]
struct Style {
    numbers: bool,
    numbers_filled: bool,
    squeezes: bool,
    shows_ends: bool,
    shows_tabs: bool,
    shows_control: bool,
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let has = |letters: &str| letters.chars().any(|letter| options.has(letter));
    let style = Style {
        numbers: has("n") && !has("b"),
        numbers_filled: has("b"),
        squeezes: has("s"),
        shows_ends: has("EAe"),
        shows_tabs: has("TAt"),
        shows_control: has("vAet"),
    };
    let mut files = options.operands().to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    let mut line_number = 0;
    let mut all_went_well = true;
    for file in &files {
        match copy(file, style, &mut line_number) {
            Ok(is_copied) => all_went_well &= is_copied,
            Err(error) => {
                complain!("{file}: {error}");
                all_went_well = false;
            }
        }
    }
    ExitCode::from(all_went_well)
}

/// The regular file that standard output is, if it has contents.
///
/// Copying such a file to itself would go on until the disk is full.
fn output_inode() -> Option<Inode> {
    let found = io::stdout().metadata().ok()?;
    (found.is_file() && found.len() > 0).then_some(found.attributes().inode)
}

fn copy(file: &str, style: Style, line_number: &mut u64) -> io::Result<bool> {
    let (mut input, found): (Box<dyn Read>, _) = match file {
        "-" => (Box::new(io::stdin()), io::stdin().metadata()),
        _ => {
            let opened = File::open(file)?;
            let found = opened.metadata();
            (Box::new(opened), found)
        }
    };
    let inode = found.ok().filter(Metadata::is_file);
    let inode = inode.map(|found| found.attributes().inode);
    if inode.is_some() && inode == output_inode() {
        complain!("{file}: input file is output file");
        return Ok(false);
    }
    match style.is_plain() {
        true => copy_bytes(&mut *input),
        false => copy_lines(BufReader::new(input), style, line_number),
    }?;
    Ok(true)
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

fn copy_lines(
    mut input: BufReader<Box<dyn Read>>,
    style: Style,
    line_number: &mut u64,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut was_empty = false;
    while input.read_until(b'\n', &mut line)? > 0 {
        let is_empty = line == b"\n";
        if !(style.squeezes && is_empty && was_empty) {
            if style.numbers || style.numbers_filled && !is_empty {
                *line_number += 1;
                print!("{line_number:6}\t");
            }
            posix::print_bytes(&style.shown(&line));
        }
        was_empty = is_empty;
        line.clear();
    }
    Ok(())
}

impl Style {
    const fn is_plain(self) -> bool {
        let changes_lines = self.numbers || self.numbers_filled || self.squeezes;
        let shows_more = self.shows_ends || self.shows_tabs || self.shows_control;
        !changes_lines && !shows_more
    }

    /// A line in which what is not printed can be seen.
    fn shown(self, line: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(line.len());
        for byte in line {
            match byte {
                b'\n' if self.shows_ends => shown.extend_from_slice(b"$\n"),
                b'\t' if self.shows_tabs => shown.extend_from_slice(b"^I"),
                b'\n' | b'\t' => shown.push(*byte),
                _ if self.shows_control => show(*byte, &mut shown),
                _ => shown.push(*byte),
            }
        }
        shown
    }
}

/// A byte as `^X`, with `M-` before it if it is none of ASCII.
fn show(byte: u8, shown: &mut Vec<u8>) {
    if !byte.is_ascii() {
        shown.extend_from_slice(b"M-");
    }
    match byte & 0x7f {
        0x7f => shown.extend_from_slice(b"^?"),
        low @ 0..=0x1f => shown.extend_from_slice(&[b'^', low + b'@']),
        low => shown.push(low),
    }
}
