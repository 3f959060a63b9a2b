//! Sorts lines.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use core::cmp::Ordering;

use posix::fs::File;
use posix::io::{self, BufReader, BufWriter};
use posix::prelude::*;

const SWITCHES: Switches = Switches::new(
    "nrufbk:t:o:",
    "sort [-bfnru] [-k FIRST[,LAST]] [-t SEPARATOR] [-o FILE] [FILE...]",
)
.long(&[
    ("numeric-sort", 'n'),
    ("reverse", 'r'),
    ("unique", 'u'),
    ("key", 'k'),
]);

/// A line without its end: any bytes, which come out as they went in.
type Line = Vec<u8>;

/// How lines are compared.
struct Order {
    is_numeric: bool,
    is_reversed: bool,
    folds_case: bool,
    skips_blanks: bool,
    separator: Option<u8>,
    /// First and last field, from 1; 0 as the last: to the end.
    key: Option<(usize, usize)>,
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let order = order(&options);
    let mut lines = Vec::new();
    let operands = options.operands();
    let default = [String::from("-")];
    let files = if operands.is_empty() {
        &default[..]
    } else {
        operands
    };
    for file in files {
        if let Err(error) = read(file, &mut lines) {
            complain!("{file}: {error}");
            return ExitCode::from(2);
        }
    }
    // Equal keys are put in the order of the whole lines, as POSIX wants.
    let whole = |one: &Line, other: &Line| match (options.has('u'), order.is_reversed) {
        (true, _) => Ordering::Equal,
        (false, false) => one.cmp(other),
        (false, true) => other.cmp(one),
    };
    lines.sort_by(|one, other| order.compare(one, other).then_with(|| whole(one, other)));
    if options.has('u') {
        lines.dedup_by(|one, other| order.compare(one, other) == Ordering::Equal);
    }
    match write(&options, &lines) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(error) => {
            complain!("{}: {error}", options.value('o').unwrap_or("output"));
            ExitCode::from(2)
        }
    }
}

fn order(options: &Options) -> Order {
    let key = options.value('k').map(|text| {
        let letters = |text: &str| {
            text.trim_end_matches(|character: char| character.is_ascii_alphabetic())
                .to_string()
        };
        let (first, last) = text.split_once(',').unwrap_or((text, "0"));
        match (letters(first).parse(), letters(last).parse()) {
            (Ok(first), Ok(last)) if first > 0 => (first, last),
            _ => {
                complain!("-k needs numbers of fields, not {text}");
                posix::process::exit(2);
            }
        }
    });
    let has_letter = |letter| options.value('k').is_some_and(|text| text.contains(letter));
    Order {
        is_numeric: options.has('n') || has_letter('n'),
        is_reversed: options.has('r') || has_letter('r'),
        folds_case: options.has('f') || has_letter('f'),
        skips_blanks: options.has('b') || has_letter('b'),
        separator: options.value('t').map(separator),
        key,
    }
}

fn separator(text: &str) -> u8 {
    let [separator] = text.as_bytes() else {
        complain!("-t needs one byte, not {text:?}");
        posix::process::exit(2);
    };
    *separator
}

impl Order {
    fn compare(&self, one: &[u8], other: &[u8]) -> Ordering {
        let (one, other) = (self.key_of(one), self.key_of(other));
        let order = if self.is_numeric {
            number(one).total_cmp(&number(other))
        } else if self.folds_case {
            one.to_ascii_uppercase().cmp(&other.to_ascii_uppercase())
        } else {
            one.cmp(other)
        };
        if self.is_reversed {
            order.reverse()
        } else {
            order
        }
    }

    fn key_of<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        let key = match self.key {
            None => line,
            Some((first, last)) => {
                let start = self.field_start(line, first);
                let end = match last {
                    0 => line.len(),
                    _ => self.field_end(line, last).max(start),
                };
                &line[start..end]
            }
        };
        if self.skips_blanks {
            &key[blanks(key)..]
        } else {
            key
        }
    }

    /// Where a field begins; without a separator, with the blanks before it.
    fn field_start(&self, line: &[u8], field: usize) -> usize {
        match field {
            1 => 0,
            _ => match (self.field_end(line, field - 1), self.separator) {
                (end, Some(_)) if end < line.len() => end + 1,
                (end, _) => end,
            },
        }
    }

    fn field_end(&self, line: &[u8], field: usize) -> usize {
        let mut end = 0;
        for number in 1..=field {
            let rest = line[end..].iter();
            let length = match self.separator {
                Some(separator) => {
                    let skipped = usize::from(number > 1);
                    let next = rest.skip(skipped).position(|byte| *byte == separator);
                    next.map(|length| skipped + length)
                }
                None => {
                    let blanks = blanks(&line[end..]);
                    let next = rest.skip(blanks).position(is_blank);
                    next.map(|length| blanks + length)
                }
            };
            match length {
                Some(length) => end += length,
                None => return line.len(),
            }
        }
        end
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How many blanks a text begins with.
fn blanks(text: &[u8]) -> usize {
    let word = text.iter().position(|byte| !is_blank(byte));
    word.unwrap_or(text.len())
}

/// The number a text begins with; 0 if there is none.
fn number(text: &[u8]) -> f64 {
    let text = text.trim_ascii_start();
    let is_part = |(index, byte): (usize, &u8)| {
        byte.is_ascii_digit() || *byte == b'.' || (index == 0 && *byte == b'-')
    };
    let end = text.iter().enumerate().take_while(|part| is_part(*part));
    let digits = core::str::from_utf8(&text[..end.count()]);
    digits
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0)
}

fn read(file: &str, lines: &mut Vec<Line>) -> io::Result<()> {
    let input: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(file)?),
    };
    let mut input = BufReader::new(input);
    loop {
        let mut line = Line::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        line.pop_if(|byte| *byte == b'\n');
        lines.push(line);
    }
}

fn write(options: &Options, lines: &[Line]) -> io::Result<()> {
    match options.value('o') {
        None => write_to(io::stdout(), lines),
        Some(file) => write_to(File::create(file)?, lines),
    }
}

fn write_to(output: impl Write, lines: &[Line]) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    for line in lines {
        output.write_all(line)?;
        output.write_all(b"\n")?;
    }
    output.flush()
}
