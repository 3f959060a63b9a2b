//! Sorts lines; what does not fit into memory, through files.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use core::cmp::Ordering;

use posix::fs::{self, File, OpenOptions};
use posix::io::{self, BufReader, BufWriter, SeekFrom};
use posix::prelude::*;
use utility::order::{Key, Order};

const SWITCHES: Switches = Switches::new(
    "nrufbdiscCmk:t:o:T:",
    "sort [-bcCdfimnrsu] [-k KEY] [-t SEPARATOR] [-o FILE] [-T DIRECTORY] [FILE...]",
)
.long(&[
    ("numeric-sort", 'n'),
    ("reverse", 'r'),
    ("unique", 'u'),
    ("key", 'k'),
    ("stable", 's'),
    ("check", 'c'),
    ("merge", 'm'),
    ("ignore-case", 'f'),
    ("ignore-leading-blanks", 'b'),
    ("dictionary-order", 'd'),
    ("field-separator", 't'),
    ("output", 'o'),
])
.example("sort -t : -k 3,3n /etc/passwd");

/// Bytes of lines that are sorted in memory.
const RUN_BYTES: usize = 3 << 20;

/// What a line takes besides its bytes, about.
const LINE_OVERHEAD: usize = 48;

/// Sorted files merged at once.
const RUNS: usize = 16;

/// A line without its end: any bytes, which come out as they went in.
type Line = Vec<u8>;

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let order = order(&options);
    let operands = options.operands();
    let default = [String::from("-")];
    let files = if operands.is_empty() {
        &default[..]
    } else {
        operands
    };
    if options.has('c') || options.has('C') {
        return check(&options, &order, &files[0]);
    }
    let mut sorter = Sorter {
        order: &order,
        is_unique: options.has('u'),
        directory: options.value('T').unwrap_or("/tmp"),
        lines: Vec::new(),
        bytes: 0,
        runs: Vec::new(),
    };
    for file in files {
        if let Err(error) = io::input(file).and_then(|mut input| sorter.read(&mut input)) {
            complain!("{file}: {error}");
            return ExitCode::from(2);
        }
    }
    // Its own input may be the file that is written: only now is it opened.
    let result = match options.value('o') {
        None => sorter.finish(&mut io::stdout()),
        Some(file) => File::create(file).and_then(|file| {
            let mut output = BufWriter::new(file);
            sorter.finish(&mut output)?;
            output.flush()
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(error) => {
            complain!("{}: {error}", options.value('o').unwrap_or("output"));
            ExitCode::from(2)
        }
    }
}

fn order(options: &Options) -> Order {
    let mut order = Order {
        is_stable: options.has('s') || options.has('u'),
        separator: options.value('t').map(separator),
        ..Order::default()
    };
    for (letter, value) in options.given() {
        order.style.add(letter);
        if letter == 'k' {
            let Some(key) = Key::parse(value) else {
                complain!("-k needs numbers of fields, not {value}");
                posix::process::exit(2);
            };
            order.keys.push(key);
        }
    }
    order
}

fn separator(text: &str) -> u8 {
    match text.as_bytes() {
        [separator] => *separator,
        b"\\0" => 0,
        _ => {
            complain!("-t needs one byte, not {text:?}");
            posix::process::exit(2);
        }
    }
}

/// Says where the first line is that is out of order.
fn check(options: &Options, order: &Order, file: &str) -> ExitCode {
    match first_disorder(options.has('u'), order, file) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some((number, line))) => {
            if !options.has('C') {
                let line = String::from_utf8_lossy(&line);
                complain!("{file}:{number}: disorder: {line}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            complain!("{file}: {error}");
            ExitCode::from(2)
        }
    }
}

fn first_disorder(is_unique: bool, order: &Order, file: &str) -> io::Result<Option<(u64, Line)>> {
    let mut input = io::input(file)?;
    let mut number = 1;
    let mut before = read_line(&mut input)?;
    while let Some(earlier) = before {
        number += 1;
        let Some(line) = read_line(&mut input)? else {
            break;
        };
        match order.compare(&earlier, &line) {
            Ordering::Greater => return Ok(Some((number, line))),
            Ordering::Equal if is_unique => return Ok(Some((number, line))),
            _ => before = Some(line),
        }
    }
    Ok(None)
}

/// The next line; none at the end.
fn read_line(input: &mut dyn BufRead) -> io::Result<Option<Line>> {
    let mut line = Line::new();
    if input.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    line.pop_if(|byte| *byte == b'\n');
    Ok(Some(line))
}

/// Collects lines, and writes them into a file, sorted, when there are too many.
struct Sorter<'a> {
    order: &'a Order,
    is_unique: bool,
    /// Where the files are made.
    directory: &'a str,
    lines: Vec<Line>,
    bytes: usize,
    /// Files of sorted lines, in the order of the input.
    runs: Vec<File>,
}

impl Sorter<'_> {
    fn read(&mut self, input: &mut dyn BufRead) -> io::Result<()> {
        while let Some(line) = read_line(input)? {
            self.bytes += line.len() + LINE_OVERHEAD;
            self.lines.push(line);
            if self.bytes >= RUN_BYTES {
                self.write_run()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, output: &mut dyn Write) -> io::Result<()> {
        if self.runs.is_empty() {
            return self.write_lines(output);
        }
        self.write_run()?;
        self.merge(output)
    }

    /// Writes the lines in memory to a run; too many runs become one.
    fn write_run(&mut self) -> io::Result<()> {
        let mut run = self.new_run()?;
        let mut output = BufWriter::new(&mut run);
        self.write_lines(&mut output)?;
        output.flush()?;
        drop(output);
        self.runs.push(run);
        if self.runs.len() < RUNS {
            return Ok(());
        }
        let mut merged = self.new_run()?;
        let mut output = BufWriter::new(&mut merged);
        self.merge(&mut output)?;
        output.flush()?;
        drop(output);
        self.runs.push(merged);
        Ok(())
    }

    fn write_lines(&mut self, output: &mut dyn Write) -> io::Result<()> {
        let mut lines = core::mem::take(&mut self.lines);
        self.bytes = 0;
        lines.sort_by(|one, other| self.order.compare(one, other));
        let mut last: Option<Line> = None;
        for line in lines {
            self.write_line(output, line, &mut last)?;
        }
        Ok(())
    }

    /// Writes a line, unless only the first of equal ones is wanted.
    fn write_line(
        &self,
        output: &mut dyn Write,
        mut line: Line,
        last: &mut Option<Line>,
    ) -> io::Result<()> {
        if self.is_unique {
            let is_equal = |last: &Line| self.order.compare_keys(last, &line) == Ordering::Equal;
            if last.as_ref().is_some_and(is_equal) {
                return Ok(());
            }
            *last = Some(line.clone());
        }
        line.push(b'\n');
        output.write_all(&line)
    }

    /// A file without a name: it goes with the program, however that ends.
    fn new_run(&self) -> io::Result<File> {
        let (pid, number) = (posix::process::id(), self.runs.len());
        let name = format!("{}/sort.{pid}.{number}", self.directory);
        let how = OpenOptions::new().read(true).write(true).create_new(true);
        let file = how.mode(0o600).open(&name)?;
        fs::remove_file(&name)?;
        Ok(file)
    }

    /// Merges all runs; of equal lines that of the earlier run comes first.
    fn merge(&mut self, output: &mut dyn Write) -> io::Result<()> {
        let mut inputs = Vec::new();
        for mut run in core::mem::take(&mut self.runs) {
            run.seek(SeekFrom::Start(0))?;
            let mut input = BufReader::new(run);
            if let Some(line) = read_line(&mut input)? {
                inputs.push((line, input));
            }
        }
        let mut last = None;
        loop {
            let lines = inputs.iter().enumerate();
            let first = lines.min_by(|(_, one), (_, other)| self.order.compare(&one.0, &other.0));
            let Some((index, _)) = first else {
                return Ok(());
            };
            let next = read_line(&mut inputs[index].1)?;
            let line = match next {
                Some(next) => core::mem::replace(&mut inputs[index].0, next),
                None => inputs.remove(index).0,
            };
            self.write_line(output, line, &mut last)?;
        }
    }
}
