//! Counts lines, words and bytes.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::File;
use posix::io;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("lwcm", "wc [-clmw] [FILE...]")
    .long(&[
        ("lines", 'l'),
        ("words", 'w'),
        ("bytes", 'c'),
        ("chars", 'm'),
    ])
    .usage_status(1);

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    characters: u64,
    bytes: u64,
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut rows = Vec::new();
    let mut total = Counts::default();
    let mut all_went_well = true;
    let operands = options.operands();
    let default = [String::from("")];
    let files = if operands.is_empty() {
        &default[..]
    } else {
        operands
    };
    for file in files {
        match count(file) {
            Ok(counts) => {
                total.lines += counts.lines;
                total.words += counts.words;
                total.characters += counts.characters;
                total.bytes += counts.bytes;
                rows.push((counts, file.clone()));
            }
            Err(error) => {
                complain!("{file}: {error}");
                all_went_well = false;
            }
        }
    }
    if operands.len() > 1 {
        rows.push((total, "total".into()));
    }
    print_rows(&options, &rows, sizes_width(files));
    ExitCode::from(all_went_well)
}

/// How wide counts can become, known before the files are read: as wide as all
/// their bytes, or as tradition has it where there is no saying.
fn sizes_width(files: &[String]) -> usize {
    const UNKNOWN: usize = 7;
    let mut bytes = 0;
    let mut least = 1;
    for file in files {
        let found = match file.as_str() {
            "" | "-" => io::stdin().metadata(),
            _ => posix::fs::metadata(file),
        };
        match found {
            Ok(found) if found.is_file() => bytes += found.len(),
            Ok(_) => least = UNKNOWN,
            Err(_) => {}
        }
    }
    bytes.to_string().len().max(least)
}

fn print_rows(options: &Options, rows: &[(Counts, String)], widest: usize) {
    let shows = |letter| options.has(letter);
    let is_default = !"lwcm".chars().any(shows);
    let columns = |counts: &Counts| {
        let all = [
            (shows('l') || is_default, counts.lines),
            (shows('w') || is_default, counts.words),
            (shows('m'), counts.characters),
            (shows('c') || is_default, counts.bytes),
        ];
        all.into_iter()
            .filter(|(is_shown, _)| *is_shown)
            .map(|(_, count)| count)
    };
    let is_single = columns(&Counts::default()).count() == 1 && rows.len() == 1;
    let width = if is_single { 0 } else { widest };
    for (counts, name) in rows {
        let numbers: Vec<String> = columns(counts)
            .map(|count| format!("{count:width$}"))
            .collect();
        let gap = if name.is_empty() { "" } else { " " };
        println!("{}{gap}{name}", numbers.join(" "));
    }
}

fn count(file: &str) -> io::Result<Counts> {
    let mut input: Box<dyn Read> = match file {
        "" | "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(file)?),
    };
    let mut counts = Counts::default();
    let mut buffer = vec![0; io::BUFFER_BYTES];
    let mut is_in_word = false;
    loop {
        let length = input.read(&mut buffer)?;
        if length == 0 {
            return Ok(counts);
        }
        counts.bytes += length as u64;
        for byte in &buffer[..length] {
            counts.lines += u64::from(*byte == b'\n');
            counts.characters += u64::from(byte & 0b1100_0000 != 0b1000_0000);
            let is_space = byte.is_ascii_whitespace() || *byte == 0x0b;
            counts.words += u64::from(!is_space && !is_in_word);
            is_in_word = !is_space;
        }
    }
}
