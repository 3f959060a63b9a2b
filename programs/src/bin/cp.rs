//! Copies files and directories.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{self, File, Metadata, OpenOptions};
use posix::io;
use posix::path;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("rRapfv", "cp [-pRrv] FROM... TO")
    .long(&[("recursive", 'r'), ("archive", 'a')])
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let Some((target, sources)) = options.operands().split_last() else {
        options.usage()
    };
    if sources.is_empty() {
        options.usage();
    }
    let is_directory = fs::metadata(target).is_ok_and(|found| found.is_dir());
    if sources.len() > 1 && !is_directory {
        complain!("{target}: Not a directory");
        return ExitCode::FAILURE;
    }
    let archives = options.has('a');
    let mut copier = Copier {
        is_recursive: options.has('r') || options.has('R') || archives,
        keeps_times: options.has('p') || archives,
        is_verbose: options.has('v'),
        all_went_well: true,
    };
    for source in sources {
        let to = match is_directory {
            true => path::join(target, path::file_name(source)),
            false => target.clone(),
        };
        copier.copy(source, &to, true);
    }
    ExitCode::from(copier.all_went_well)
}

struct Copier {
    is_recursive: bool,
    keeps_times: bool,
    is_verbose: bool,
    all_went_well: bool,
}

impl Copier {
    fn fail(&mut self, what: &str, why: impl core::fmt::Display) {
        complain!("{what}: {why}");
        self.all_went_well = false;
    }

    fn copy(&mut self, from: &str, to: &str, is_operand: bool) {
        let found = match is_operand && !self.is_recursive {
            true => fs::metadata(from),
            false => fs::symlink_metadata(from),
        };
        let metadata = match found {
            Ok(metadata) => metadata,
            Err(error) => return self.fail(from, error),
        };
        if metadata.is_dir() {
            return self.copy_directory(from, to, &metadata);
        }
        let result = if metadata.is_symlink() {
            fs::read_link(from)
                .and_then(|target| fs::symlink(&target, to))
                .map_err(|error| (to, error))
        } else if is_same(&metadata, to) {
            return self.fail(to, format_args!("is the same file as {from}"));
        } else {
            copy_file(from, to, &metadata)
        };
        match result {
            Err((what, error)) => self.fail(what, error),
            Ok(()) => self.finish(from, to, &metadata),
        }
    }

    fn finish(&mut self, from: &str, to: &str, metadata: &Metadata) {
        if self.is_verbose {
            println!("{from} -> {to}");
        }
        if self.keeps_times && !metadata.is_symlink() {
            let attributes = metadata.attributes();
            if let Err(error) = fs::set_times(to, attributes.accessed_s, attributes.modified_s) {
                self.fail(to, error);
            }
        }
    }

    fn copy_directory(&mut self, from: &str, to: &str, metadata: &Metadata) {
        if !self.is_recursive {
            return self.fail(from, "is a directory (not copied without -r)");
        }
        if is_inside(from, to) {
            return self.fail(to, format_args!("lies inside {from}"));
        }
        if !fs::metadata(to).is_ok_and(|found| found.is_dir())
            && let Err(error) = fs::create_dir(to)
        {
            return self.fail(to, error);
        }
        let names: io::Result<Vec<String>> = fs::read_dir(from)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name().into())).collect());
        match names {
            Err(error) => self.fail(from, error),
            Ok(names) => {
                for name in names {
                    self.copy(&path::join(from, &name), &path::join(to, &name), false);
                }
            }
        }
        self.finish(from, to, metadata);
    }
}

/// Whether two paths lead to one file.
fn is_same(metadata: &Metadata, other: &str) -> bool {
    fs::metadata(other).is_ok_and(|found| found.attributes().inode == metadata.attributes().inode)
}

/// Whether `to` is to lie in the directory `from`.
fn is_inside(from: &str, to: &str) -> bool {
    let Ok(outer) = fs::metadata(from) else {
        return false;
    };
    let mut above = path::parent(to).to_string();
    loop {
        if is_same(&outer, &above) {
            return true;
        }
        let next = path::join(&above, "..");
        let (Ok(here), Ok(there)) = (fs::metadata(&above), fs::metadata(&next)) else {
            return false;
        };
        if here.attributes().inode == there.attributes().inode {
            return false;
        }
        above = next;
    }
}

fn copy_file<'a>(
    from: &'a str,
    to: &'a str,
    metadata: &Metadata,
) -> Result<(), (&'a str, io::Error)> {
    let mut input = File::open(from).map_err(|error| (from, error))?;
    let mode = metadata.attributes().mode & 0o777;
    let options = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode);
    let mut output = options.open(to).map_err(|error| (to, error))?;
    io::copy(&mut input, &mut output)
        .map(drop)
        .map_err(|error| (to, error))
}
