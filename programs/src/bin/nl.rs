//! Numbers lines.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::io;
use posix::prelude::*;
use posix::print_bytes;

const SWITCHES: Switches = Switches::new(
    "b:n:w:s:v:i:",
    "nl [-b a|t|n] [-n ln|rn|rz] [-w WIDTH] [-s SEPARATOR] [-v FIRST] [-i STEP] [FILE...]",
)
.example("nl -b a /etc/motd")
.usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let style = options.value('b').unwrap_or("t");
    let format = options.value('n').unwrap_or("rn");
    if !["a", "t", "n"].contains(&style) || !["ln", "rn", "rz"].contains(&format) {
        options.usage();
    }
    let mut files = options.operands().to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    let mut number = options.number('v').unwrap_or(1);
    let mut all_went_well = true;
    for file in &files {
        let result = io::input(file)
            .and_then(|mut input| number_lines(&options, (style, format), &mut input, &mut number));
        if let Err(error) = result {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

fn number_lines(
    options: &Options,
    (style, format): (&str, &str),
    input: &mut dyn BufRead,
    number: &mut u64,
) -> io::Result<()> {
    const WIDEST: u64 = 1024;
    let width = options.number('w').unwrap_or(6).min(WIDEST);
    let width = usize::try_from(width).unwrap_or_default();
    let separator = options.value('s').unwrap_or("\t");
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        line.pop_if(|byte| *byte == b'\n');
        if style == "a" || style == "t" && !line.is_empty() {
            match format {
                "ln" => print!("{number:<width$}{separator}"),
                "rz" => print!("{number:0width$}{separator}"),
                _ => print!("{number:width$}{separator}"),
            }
            *number = number.saturating_add(options.number('i').unwrap_or(1));
        } else {
            print!("{:1$}", "", width + separator.len());
        }
        line.push(b'\n');
        print_bytes(&line);
        line.clear();
    }
    Ok(())
}
