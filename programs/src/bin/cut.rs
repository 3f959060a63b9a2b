//! Prints parts of lines.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;
use posix::print_bytes;
use utility::ranges::Ranges;

const SWITCHES: Switches = Switches::new(
    "b:c:f:d:snD:",
    "cut -b LIST | -c LIST | -f LIST [-d BYTE] [-s] [--output-delimiter TEXT] [FILE...]",
)
.long(&[
    ("bytes", 'b'),
    ("characters", 'c'),
    ("fields", 'f'),
    ("delimiter", 'd'),
    ("only-delimited", 's'),
    ("output-delimiter", 'D'),
])
.example("ls -l | cut -c 1-10")
.usage_status(1);

/// What is chosen, and how it is joined.
struct Cut<'a> {
    ranges: Ranges,
    /// Between fields; none: bytes are chosen.
    separator: Option<u8>,
    joint: &'a [u8],
    skips_others: bool,
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let lists: Vec<char> = "bcf"
        .chars()
        .filter(|letter| options.has(*letter))
        .collect();
    let [letter] = *lists else { options.usage() };
    if letter != 'f' && (options.has('d') || options.has('s')) {
        complain!("-d and -s are for fields (-f)");
        return ExitCode::FAILURE;
    }
    let list = options.value(letter).unwrap_or_default();
    let Some(ranges) = Ranges::parse(list) else {
        complain!("-{letter} needs a list like 1,3-5,7-, not {list}");
        return ExitCode::FAILURE;
    };
    let separator = options.value('d').unwrap_or("\t");
    let byte = match separator.as_bytes() {
        [byte] => *byte,
        [] => 0,
        _ => {
            complain!("-d needs one byte, not {separator}");
            return ExitCode::FAILURE;
        }
    };
    let separators = [byte];
    let joint = if letter == 'f' { &separators[..] } else { &[] };
    let cut = Cut {
        ranges,
        separator: (letter == 'f').then_some(byte),
        joint: options.value('D').map_or(joint, str::as_bytes),
        skips_others: options.has('s'),
    };
    let mut files = options.operands().to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    let mut all_went_well = true;
    for file in &files {
        if let Err(error) = io::input(file).and_then(|mut input| cut.print_file(&mut input)) {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

impl Cut<'_> {
    fn print_file(&self, input: &mut dyn BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            line.pop_if(|byte| *byte == b'\n');
            let chosen = match self.separator {
                None => Some(self.bytes(&line)),
                Some(separator) => self.fields(&line, separator),
            };
            if let Some(mut chosen) = chosen {
                chosen.push(b'\n');
                print_bytes(&chosen);
            }
            line.clear();
        }
        Ok(())
    }

    fn bytes(&self, line: &[u8]) -> Vec<u8> {
        let mut chosen = Vec::new();
        let mut last = None;
        for (index, byte) in line.iter().enumerate() {
            if self.ranges.contains(index + 1) {
                if last.is_some_and(|last| last + 1 < index) {
                    chosen.extend_from_slice(self.joint);
                }
                chosen.push(*byte);
                last = Some(index);
            }
        }
        chosen
    }

    /// A line without a separator is printed whole, or not at all.
    fn fields(&self, line: &[u8], separator: u8) -> Option<Vec<u8>> {
        if !line.contains(&separator) {
            return (!self.skips_others).then(|| line.to_vec());
        }
        let fields = line.split(|byte| *byte == separator).enumerate();
        let chosen: Vec<&[u8]> = fields
            .filter(|(index, _)| self.ranges.contains(index + 1))
            .map(|(_, field)| field)
            .collect();
        Some(chosen.join(self.joint))
    }
}
