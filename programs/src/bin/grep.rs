//! Finds lines that match a pattern.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

#[path = "../pattern.rs"]
mod pattern;

use alloc::collections::VecDeque;

use posix::fs;
use posix::io;
use posix::path;
use posix::prelude::*;
use posix::print_bytes;
use regex_automata::nfa::thompson::BuildError;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};

extern crate alloc;

const SWITCHES: Switches = Switches::new(
    "ivncrRlLqsEFGHhwxoae:f:m:A:B:C:",
    "grep [-EFHLachilnoqrsvwx] [-ABCm LINES] [-e PATTERN | -f FILE | PATTERN] [FILE...]",
)
.long(&[
    ("ignore-case", 'i'),
    ("invert-match", 'v'),
    ("line-number", 'n'),
    ("count", 'c'),
    ("recursive", 'r'),
    ("files-with-matches", 'l'),
    ("files-without-match", 'L'),
    ("quiet", 'q'),
    ("silent", 'q'),
    ("no-messages", 's'),
    ("extended-regexp", 'E'),
    ("fixed-strings", 'F'),
    ("with-filename", 'H'),
    ("no-filename", 'h'),
    ("word-regexp", 'w'),
    ("line-regexp", 'x'),
    ("only-matching", 'o'),
    ("text", 'a'),
    ("regexp", 'e'),
    ("file", 'f'),
    ("max-count", 'm'),
    ("after-context", 'A'),
    ("before-context", 'B'),
    ("context", 'C'),
])
.digits('C')
.example("grep -rn main /etc");

struct Search<'a> {
    options: &'a Options,
    pattern: PikeVM,
    cache: Cache,
    shows_names: bool,
    /// Lines shown before and behind one that is found.
    before: usize,
    behind: u64,
    /// A line was printed, so the next that does not follow it is set apart.
    has_printed: bool,
    has_found: bool,
    has_failed: bool,
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut files = options.operands();
    let mut texts: Vec<String> = options.values('e').map(String::from).collect();
    for name in options.values('f') {
        match patterns_of(name) {
            Ok(more) => texts.extend(more),
            Err(error) => {
                complain!("{name}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    if !options.has('e') && !options.has('f') {
        let Some((first, rest)) = files.split_first() else {
            options.usage()
        };
        texts.push(first.clone());
        files = rest;
    }
    let pattern = match compile(&texts, &options) {
        Ok(pattern) => pattern,
        // The error's own text does not say what.
        Err(_) => {
            let text = texts.join(" ");
            complain!("{text}: not a regular expression: open bracket, or nothing to repeat");
            return ExitCode::from(2);
        }
    };
    let is_recursive = options.has('r') || options.has('R');
    let default = [String::from(if is_recursive { "." } else { "-" })];
    let files = if files.is_empty() {
        &default[..]
    } else {
        files
    };
    let shows_names = options.has('H') || (!options.has('h') && (files.len() > 1 || is_recursive));
    let both = options.number('C').unwrap_or(0);
    let before = options.number('B').unwrap_or(both);
    let mut search = Search {
        options: &options,
        cache: pattern.create_cache(),
        pattern,
        shows_names,
        before: usize::try_from(before).unwrap_or(usize::MAX),
        behind: options.number('A').unwrap_or(both),
        has_printed: false,
        has_found: false,
        has_failed: false,
    };
    for file in files {
        search.search(file, is_recursive);
        if search.has_found && options.has('q') {
            break;
        }
    }
    match (search.has_found, search.has_failed) {
        (true, _) if options.has('q') => ExitCode::SUCCESS,
        (_, true) => ExitCode::from(2),
        (has_found, false) => ExitCode::from(has_found),
    }
}

/// The patterns in a file, one a line.
fn patterns_of(name: &str) -> io::Result<Vec<String>> {
    let mut text = String::new();
    io::input(name)?.read_to_string(&mut text)?;
    Ok(text.lines().map(String::from).collect())
}

fn compile(texts: &[String], options: &Options) -> Result<PikeVM, Box<BuildError>> {
    let alternatives = texts.iter().flat_map(|text| text.split('\n'));
    let alternatives: Vec<String> = alternatives
        .map(|text| {
            if options.has('F') {
                escaped(text)
            } else if options.has('E') {
                text.to_string()
            } else {
                pattern::from_basic(text)
            }
        })
        .collect();
    let mut expression = match texts.is_empty() {
        // An empty file of patterns: nothing matches.
        true => String::from(r"[^\s\S]"),
        false => alternatives.join("|"),
    };
    if options.has('x') {
        expression = format!("^(?:{expression})$");
    } else if options.has('w') {
        expression = format!(r"\b(?:{expression})\b");
    }
    PikeVM::builder()
        .syntax(pattern::syntax().case_insensitive(options.has('i')))
        .thompson(pattern::thompson())
        .build(&expression)
        .map_err(Box::new)
}

/// An expression that stands for the text itself.
fn escaped(text: &str) -> String {
    let mut expression = String::new();
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            expression.push('\\');
        }
        expression.push(character);
    }
    expression
}

impl Search<'_> {
    fn fail(&mut self, file: &str, error: &io::Error) {
        if !self.options.has('s') {
            complain!("{file}: {error}");
        }
        self.has_failed = true;
    }

    fn search(&mut self, file: &str, is_recursive: bool) {
        if is_recursive && file != "-" && fs::metadata(file).is_ok_and(|found| found.is_dir()) {
            return self.search_directory(file);
        }
        let shown = if file == "-" {
            "(standard input)"
        } else {
            file
        };
        let result = io::input(file).and_then(|mut input| self.search_lines(shown, &mut input));
        if let Err(error) = result {
            self.fail(file, &error);
        }
    }

    fn search_directory(&mut self, directory: &str) {
        let names: io::Result<Vec<String>> = fs::read_dir(directory)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name().into())).collect());
        match names {
            Err(error) => self.fail(directory, &error),
            Ok(mut names) => {
                names.sort();
                for name in names {
                    let inner = path::join(directory, &name);
                    // Links could lead round in circles.
                    if !fs::symlink_metadata(&inner).is_ok_and(|found| found.is_symlink()) {
                        self.search(&inner, true);
                    }
                }
            }
        }
    }

    fn search_lines(&mut self, name: &str, input: &mut dyn BufRead) -> io::Result<()> {
        let has = |letter| self.options.has(letter);
        let (counts, lists, is_quiet) = (has('c'), has('l') || has('L'), has('q'));
        let is_inverted = has('v');
        let shows_lines = !(counts || lists || is_quiet);
        let limit = self.options.number('m').unwrap_or(u64::MAX);
        let (mut count, mut number, mut behind) = (0_u64, 0_u64, 0_u64);
        let mut before: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
        let mut last_printed = 0;
        let mut line = Vec::new();
        // Behind the last line wanted, only its context is read.
        while count < limit || behind > 0 {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            line.pop_if(|byte| *byte == b'\n');
            number += 1;
            let is_match = self.pattern.is_match(&mut self.cache, &line);
            if count < limit && is_match != is_inverted {
                count += 1;
                if is_quiet || lists {
                    break;
                }
                if shows_lines {
                    let first = before.front().map_or(number, |(number, _)| *number);
                    self.set_apart(first, last_printed);
                    for (number, line) in before.drain(..) {
                        self.print_whole(name, number, &line, '-');
                    }
                    self.print_line(name, number, &line);
                    last_printed = number;
                    behind = self.behind;
                }
            } else if behind > 0 {
                if count >= limit && is_match != is_inverted {
                    break;
                }
                self.print_whole(name, number, &line, '-');
                last_printed = number;
                behind -= 1;
            } else if self.before > 0 && shows_lines {
                if before.len() >= self.before {
                    before.pop_front();
                }
                before.push_back((number, line.clone()));
            }
        }
        if counts && !is_quiet {
            println!("{}{count}", self.prefix(name, None, ':'));
        }
        let is_listed = has('l') && count > 0 || has('L') && count == 0;
        if is_listed && !is_quiet {
            println!("{name}");
        }
        self.has_found |= count > 0;
        Ok(())
    }

    /// Separates lines from earlier ones that they do not follow.
    fn set_apart(&mut self, first: u64, last_printed: u64) {
        let has_context = self.before > 0 || self.behind > 0;
        if has_context && self.has_printed && (last_printed == 0 || first > last_printed + 1) {
            println!("--");
        }
        self.has_printed = true;
    }

    fn prefix(&self, name: &str, number: Option<u64>, mark: char) -> String {
        let mut prefix = String::new();
        if self.shows_names {
            prefix.push_str(&format!("{name}{mark}"));
        }
        if let Some(number) = number.filter(|_| self.options.has('n')) {
            prefix.push_str(&format!("{number}{mark}"));
        }
        prefix
    }

    fn print_whole(&self, name: &str, number: u64, line: &[u8], mark: char) {
        if !self.options.has('o') {
            print!("{}", self.prefix(name, Some(number), mark));
            print_bytes(line);
            print_bytes(b"\n");
        }
    }

    fn print_line(&mut self, name: &str, number: u64, line: &[u8]) {
        if !self.options.has('o') {
            return self.print_whole(name, number, line, ':');
        }
        if self.options.has('v') {
            return;
        }
        let prefix = self.prefix(name, Some(number), ':');
        let found = self.pattern.find_iter(&mut self.cache, line);
        for range in found
            .map(|found| found.range())
            .filter(|range| !range.is_empty())
        {
            print!("{prefix}");
            print_bytes(&line[range]);
            print_bytes(b"\n");
        }
    }
}
