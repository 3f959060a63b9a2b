//! Lists directories.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{self, FileKind, Metadata};
use posix::prelude::*;
use posix::time::{DateTime, since_epoch};
use posix::{io, path};

const SWITCHES: Switches = Switches::new("laA1RhdirtSF", "ls [-1aAdFhilrRSt] [FILE...]");

/// Entries older than this are shown with their year: half a year.
const RECENT_S: i64 = 15_778_476;

struct Entry {
    name: String,
    path: String,
    metadata: Metadata,
}

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let mut operands = options.operands().to_vec();
    if operands.is_empty() {
        operands.push(".".into());
    }
    let mut listing = Listing {
        options: &options,
        all_went_well: true,
        has_printed: false,
    };
    let mut files = Vec::new();
    let mut directories = Vec::new();
    for operand in &operands {
        match look_at(operand, &options) {
            Ok(metadata) if metadata.is_dir() && !options.has('d') => directories.push(operand),
            Ok(metadata) => files.push(Entry {
                name: operand.clone(),
                path: operand.clone(),
                metadata,
            }),
            Err(error) => listing.fail(operand, &error),
        }
    }
    directories.sort();
    if !files.is_empty() {
        listing.print_entries(files);
    }
    for directory in directories {
        listing.print_directory(directory, operands.len() > 1 || options.has('R'));
    }
    ExitCode::from(if listing.all_went_well { 0 } else { 2 })
}

/// Follows a symbolic link to a directory, unless the link itself is asked for.
fn look_at(operand: &str, options: &Options) -> io::Result<Metadata> {
    if options.has('l') || options.has('d') {
        return fs::symlink_metadata(operand);
    }
    fs::metadata(operand).or_else(|_| fs::symlink_metadata(operand))
}

struct Listing<'a> {
    options: &'a Options,
    all_went_well: bool,
    has_printed: bool,
}

impl Listing<'_> {
    fn fail(&mut self, what: &str, error: &io::Error) {
        complain!("{what}: {error}");
        self.all_went_well = false;
    }

    fn print_directory(&mut self, directory: &str, has_title: bool) {
        let entries = match self.read(directory) {
            Ok(entries) => entries,
            Err(error) => return self.fail(directory, &error),
        };
        if has_title {
            let gap = if self.has_printed { "\n" } else { "" };
            println!("{gap}{directory}:");
        }
        self.has_printed = true;
        if self.options.has('l') {
            let blocks: u64 = entries
                .iter()
                .map(|one| one.metadata.attributes().blocks)
                .sum();
            println!("total {}", blocks.div_ceil(2));
        }
        let inner: Vec<String> = match self.options.has('R') {
            true => self.inner_directories(&entries),
            false => Vec::new(),
        };
        self.print_entries(entries);
        for directory in inner {
            self.print_directory(&directory, true);
        }
    }

    fn inner_directories(&self, entries: &[Entry]) -> Vec<String> {
        let inner = entries.iter().filter(|entry| entry.metadata.is_dir());
        let mut paths: Vec<&Entry> = inner
            .filter(|entry| entry.name != "." && entry.name != "..")
            .collect();
        self.sort(&mut paths);
        paths.iter().map(|entry| entry.path.clone()).collect()
    }

    fn read(&mut self, directory: &str) -> io::Result<Vec<Entry>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let is_hidden = entry.file_name().starts_with('.');
            if !is_hidden || self.options.has('a') || self.options.has('A') {
                names.push(String::from(entry.file_name()));
            }
        }
        if self.options.has('a') {
            names.extend([".".into(), "..".into()]);
        }
        let mut entries = Vec::new();
        for name in names {
            let path = path::join(directory, &name);
            match fs::symlink_metadata(&path) {
                Ok(metadata) => entries.push(Entry {
                    name,
                    path,
                    metadata,
                }),
                Err(error) => self.fail(&path, &error),
            }
        }
        Ok(entries)
    }

    fn sort(&self, entries: &mut [&Entry]) {
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let key = |entry: &Entry| entry.metadata.attributes().modified_s;
        if self.options.has('t') {
            entries.sort_by_key(|entry| core::cmp::Reverse(key(entry)));
        }
        if self.options.has('S') {
            entries.sort_by_key(|entry| core::cmp::Reverse(entry.metadata.len()));
        }
        if self.options.has('r') {
            entries.reverse();
        }
    }

    fn print_entries(&mut self, entries: Vec<Entry>) {
        self.has_printed = true;
        let mut sorted: Vec<&Entry> = entries.iter().collect();
        self.sort(&mut sorted);
        if self.options.has('l') {
            return self.print_long(&sorted);
        }
        let names: Vec<String> = sorted.iter().map(|entry| self.short(entry)).collect();
        if self.options.has('1') || !io::stdout().is_terminal() {
            for name in names {
                println!("{name}");
            }
        } else {
            print_columns(&names);
        }
    }

    fn short(&self, entry: &Entry) -> String {
        let mark = match entry.metadata.kind() {
            _ if !self.options.has('F') => "",
            FileKind::Directory => "/",
            FileKind::Symlink => "@",
            FileKind::Fifo => "|",
            FileKind::Regular if entry.metadata.attributes().mode & 0o111 != 0 => "*",
            _ => "",
        };
        match self.options.has('i') {
            true => format!(
                "{} {}{mark}",
                entry.metadata.attributes().inode.0,
                entry.name
            ),
            false => format!("{}{mark}", entry.name),
        }
    }

    fn print_long(&self, entries: &[&Entry]) {
        let sizes: Vec<String> = entries.iter().map(|entry| self.size(entry)).collect();
        let width = sizes.iter().map(String::len).max().unwrap_or(0);
        let links = entries
            .iter()
            .map(|entry| entry.metadata.attributes().links)
            .max();
        let link_width = links.unwrap_or(0).to_string().len();
        for (entry, size) in entries.iter().zip(&sizes) {
            let attributes = entry.metadata.attributes();
            let target = match entry.metadata.is_symlink() {
                true => fs::read_link(&entry.path).map_or(String::new(), |to| format!(" -> {to}")),
                false => String::new(),
            };
            println!(
                "{} {:>link_width$} {} {} {size:>width$} {} {}{target}",
                mode_text(attributes.kind, attributes.mode),
                attributes.links,
                owner(attributes.uid),
                owner(attributes.gid),
                time_text(attributes.modified_s),
                self.short(entry),
            );
        }
    }

    fn size(&self, entry: &Entry) -> String {
        let bytes = entry.metadata.len();
        if !self.options.has('h') || bytes < 1024 {
            return bytes.to_string();
        }
        let mut tenths = bytes * 10;
        for unit in ["K", "M", "G", "T"] {
            tenths = tenths.div_ceil(1024);
            if tenths < 100 {
                return format!("{}.{}{unit}", tenths / 10, tenths % 10);
            }
            if tenths < 10_240 {
                return format!("{}{unit}", tenths.div_ceil(10));
            }
        }
        format!("{}T", tenths / 10)
    }
}

fn owner(number: u32) -> String {
    if number == 0 {
        "root".into()
    } else {
        number.to_string()
    }
}

fn mode_text(kind: FileKind, mode: u32) -> String {
    let mut text = String::new();
    text.push(match kind {
        FileKind::Regular => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::CharacterDevice => 'c',
        FileKind::BlockDevice => 'b',
        FileKind::Fifo => 'p',
        FileKind::Socket => 's',
    });
    for bit in (0..9).rev() {
        let is_set = mode & (1 << bit) != 0;
        let special = mode & (0o1000 << (bit / 3)) != 0 && bit % 3 == 0;
        text.push(match (bit % 3, is_set, special) {
            (2, true, _) => 'r',
            (1, true, _) => 'w',
            (0, true, false) => 'x',
            (0, true, true) if bit == 0 => 't',
            (0, false, true) if bit == 0 => 'T',
            (0, true, true) => 's',
            (0, false, true) => 'S',
            _ => '-',
        });
    }
    text
}

/// Day and time of day, or day and year if that is long ago.
fn time_text(seconds: i64) -> String {
    let date = DateTime::from_epoch_s(seconds);
    let month = &date.month_name()[..3];
    let now_s = since_epoch().as_secs().cast_signed();
    match now_s.saturating_sub(seconds) {
        0..RECENT_S => {
            format!("{month} {:2} {:02}:{:02}", date.day, date.hour, date.minute)
        }
        _ => format!("{month} {:2} {:>5}", date.day, date.year),
    }
}

fn print_columns(names: &[String]) {
    let columns = posix::env::var("COLUMNS").and_then(|text| text.parse().ok());
    let columns: usize = columns.unwrap_or(80);
    let cell = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        + 2;
    let per_row = (columns / cell).max(1);
    let rows = names.len().div_ceil(per_row);
    for row in 0..rows {
        let mut line = String::new();
        for name in names.iter().skip(row).step_by(rows) {
            line.push_str(name);
            line.extend(core::iter::repeat_n(' ', cell - name.chars().count()));
        }
        println!("{}", line.trim_end());
    }
}
