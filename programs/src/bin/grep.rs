//! Finds lines that match a pattern.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{self, File};
use posix::io::{self, BufReader};
use posix::path;
use posix::prelude::*;
use regex_automata::nfa::thompson::BuildError;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::util::syntax;

const SWITCHES: Switches = Switches::new(
    "ivncrRlLqsEFGHhwxoe:m:",
    "grep [-EFHLchilnoqrsvwx] [-m LINES] PATTERN [FILE...]",
);

struct Search<'a> {
    options: &'a Options,
    pattern: PikeVM,
    cache: Cache,
    shows_names: bool,
    has_found: bool,
    has_failed: bool,
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let operands = options.operands();
    let (text, files) = match (options.value('e'), operands) {
        (Some(text), files) => (text, files),
        (None, [text, files @ ..]) => (text.as_str(), files),
        (None, []) => options.usage(),
    };
    let pattern = match compile(text, &options) {
        Ok(pattern) => pattern,
        // The error's own text does not say what.
        Err(_) => {
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
    let mut search = Search {
        options: &options,
        cache: pattern.create_cache(),
        pattern,
        shows_names,
        has_found: false,
        has_failed: false,
    };
    for file in files {
        search.search(file, is_recursive);
    }
    match (search.has_found, search.has_failed) {
        (true, _) if options.has('q') => ExitCode::SUCCESS,
        (_, true) => ExitCode::from(2),
        (has_found, false) => ExitCode::from(has_found),
    }
}

fn compile(text: &str, options: &Options) -> Result<PikeVM, Box<BuildError>> {
    let alternatives: Vec<String> = text
        .split('\n')
        .map(|text| {
            if options.has('F') {
                escaped(text)
            } else if options.has('E') {
                text.to_string()
            } else {
                from_basic(text)
            }
        })
        .collect();
    let mut expression = alternatives.join("|");
    if options.has('x') {
        expression = format!("^(?:{expression})$");
    } else if options.has('w') {
        expression = format!(r"\b(?:{expression})\b");
    }
    // Bytes instead of characters: no tables, and files need not be UTF-8.
    let syntax = syntax::Config::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(options.has('i'));
    let thompson = regex_automata::nfa::thompson::Config::new().utf8(false);
    PikeVM::builder()
        .syntax(syntax)
        .thompson(thompson)
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

/// A basic regular expression of POSIX in the extended syntax: there `\(` is a
/// group and `(` a character, and the other way round here.
fn from_basic(text: &str) -> String {
    let mut extended = String::new();
    let mut rest = text.chars().peekable();
    let mut is_start = true;
    while let Some(character) = rest.next() {
        let was_start = core::mem::take(&mut is_start);
        match character {
            '\\' => match rest.next() {
                Some(special @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => {
                    extended.push(special);
                    is_start = matches!(special, '(' | '|');
                }
                Some('<' | '>') => extended.push_str(r"\b"),
                Some(other) => extended.extend(['\\', other]),
                None => extended.push_str(r"\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => extended.extend(['\\', character]),
            '*' if was_start => extended.push_str(r"\*"),
            '^' if !was_start => extended.push_str(r"\^"),
            '^' => {
                extended.push('^');
                is_start = true;
            }
            '$' if rest.peek().is_some_and(|next| *next != '\\') => extended.push_str(r"\$"),
            '[' => copy_set(&mut rest, &mut extended),
            other => extended.push(other),
        }
    }
    extended
}

/// Copies a bracket expression behind its opening bracket; in it a backslash
/// is a character like any other.
fn copy_set(rest: &mut core::iter::Peekable<core::str::Chars<'_>>, extended: &mut String) {
    extended.push('[');
    extended.extend(rest.next_if_eq(&'^'));
    if rest.next_if_eq(&']').is_some() {
        extended.push_str(r"\]");
    }
    let mut is_in_class = false;
    while let Some(character) = rest.next() {
        match character {
            '[' if rest.peek() == Some(&':') => {
                is_in_class = true;
                extended.push('[');
            }
            '[' => extended.push_str(r"\["),
            '\\' => extended.push_str(r"\\"),
            ']' if is_in_class => {
                is_in_class = false;
                extended.push(']');
            }
            ']' => {
                extended.push(']');
                return;
            }
            other => extended.push(other),
        }
    }
}

impl Search<'_> {
    fn fail(&mut self, file: &str, error: &io::Error) {
        if !self.options.has('s') {
            complain!("{file}: {error}");
        }
        self.has_failed = true;
    }

    fn search(&mut self, file: &str, is_recursive: bool) {
        if file == "-" {
            let result = self.search_lines("(standard input)", Box::new(io::stdin()));
            return result.unwrap_or_else(|error| self.fail(file, &error));
        }
        if is_recursive && fs::metadata(file).is_ok_and(|found| found.is_dir()) {
            return self.search_directory(file);
        }
        let result = File::open(file).and_then(|input| self.search_lines(file, Box::new(input)));
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

    fn search_lines(&mut self, name: &str, input: Box<dyn Read>) -> io::Result<()> {
        let has = |letter| self.options.has(letter);
        let (counts, lists, is_quiet) = (has('c'), has('l') || has('L'), has('q'));
        let limit = self.options.number('m').unwrap_or(u64::MAX);
        let mut count = 0;
        for (index, line) in BufReader::new(input).lines().enumerate() {
            let line = line?;
            let is_match = self.pattern.is_match(&mut self.cache, &line);
            if count >= limit || is_match == has('v') {
                continue;
            }
            count += 1;
            if is_quiet || lists {
                break;
            }
            if !counts {
                self.print_line(name, index + 1, &line);
            }
        }
        if counts && !is_quiet {
            println!("{}{count}", self.prefix(name, None));
        }
        let is_listed = has('l') && count > 0 || has('L') && count == 0;
        if is_listed && !is_quiet {
            println!("{name}");
        }
        self.has_found |= if has('L') { is_listed } else { count > 0 };
        Ok(())
    }

    fn prefix(&self, name: &str, number: Option<usize>) -> String {
        let mut prefix = String::new();
        if self.shows_names {
            prefix.push_str(&format!("{name}:"));
        }
        if let Some(number) = number.filter(|_| self.options.has('n')) {
            prefix.push_str(&format!("{number}:"));
        }
        prefix
    }

    fn print_line(&mut self, name: &str, number: usize, line: &str) {
        let prefix = self.prefix(name, Some(number));
        if !self.options.has('o') || self.options.has('v') {
            println!("{prefix}{line}");
            return;
        }
        let found = self.pattern.find_iter(&mut self.cache, line);
        for range in found
            .map(|found| found.range())
            .filter(|range| !range.is_empty())
        {
            println!("{prefix}{}", line.get(range).unwrap_or_default());
        }
    }
}
