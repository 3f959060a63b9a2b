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

/// How lines are compared.
struct Order {
    is_numeric: bool,
    is_reversed: bool,
    folds_case: bool,
    skips_blanks: bool,
    separator: Option<char>,
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
    let whole = |one: &String, other: &String| match (options.has('u'), order.is_reversed) {
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
        Err(error) => {
            complain!("{error}");
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
        separator: options.value('t').and_then(|text| text.chars().next()),
        key,
    }
}

impl Order {
    fn compare(&self, one: &str, other: &str) -> Ordering {
        let (one, other) = (self.key_of(one), self.key_of(other));
        let order = if self.is_numeric {
            number(one).total_cmp(&number(other))
        } else if self.folds_case {
            one.to_uppercase().cmp(&other.to_uppercase())
        } else {
            one.cmp(other)
        };
        if self.is_reversed {
            order.reverse()
        } else {
            order
        }
    }

    fn key_of<'a>(&self, line: &'a str) -> &'a str {
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
            key.trim_start()
        } else {
            key
        }
    }

    /// Where a field begins; without a separator, with the blanks before it.
    fn field_start(&self, line: &str, field: usize) -> usize {
        match field {
            1 => 0,
            _ => match (self.field_end(line, field - 1), self.separator) {
                (end, Some(separator)) if end < line.len() => end + separator.len_utf8(),
                (end, _) => end,
            },
        }
    }

    fn field_end(&self, line: &str, field: usize) -> usize {
        if let Some(separator) = self.separator {
            let found = line.match_indices(separator).nth(field - 1);
            return found.map_or(line.len(), |(at, _)| at);
        }
        let mut end = 0;
        for _ in 0..field {
            let rest = &line[end..];
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            let word = &rest[blanks..];
            end += blanks + word.find([' ', '\t']).unwrap_or(word.len());
        }
        end
    }
}

/// The number a text begins with; 0 if there is none.
fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let is_part = |(index, character): (usize, char)| {
        character.is_ascii_digit() || character == '.' || (index == 0 && character == '-')
    };
    let end = text
        .char_indices()
        .find(|part| !is_part(*part))
        .map_or(text.len(), |(at, _)| at);
    text[..end].parse().unwrap_or(0.0)
}

fn read(file: &str, lines: &mut Vec<String>) -> io::Result<()> {
    let input: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(file)?),
    };
    for line in BufReader::new(input).lines() {
        lines.push(line?);
    }
    Ok(())
}

fn write(options: &Options, lines: &[String]) -> io::Result<()> {
    let Some(file) = options.value('o') else {
        lines.iter().for_each(|line| println!("{line}"));
        return Ok(());
    };
    let mut output = BufWriter::new(File::create(file)?);
    for line in lines {
        writeln!(output, "{line}")?;
    }
    output.flush()
}
