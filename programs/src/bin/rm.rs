//! Removes files and directories.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::io::{self, ErrorKind};
use posix::path;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("rRfdv", "rm [-dfrv] FILE...")
    .long(&[("recursive", 'r'), ("force", 'f'), ("dir", 'd')])
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if options.operands().is_empty() && !options.has('f') {
        options.usage();
    }
    let mut remover = Remover {
        options: &options,
        all_went_well: true,
    };
    for operand in options.operands() {
        match path::file_name(operand) {
            "/" | "." | ".." => {
                complain!("refusing to remove {operand}");
                remover.all_went_well = false;
            }
            _ => {
                remover.remove(operand);
            }
        }
    }
    ExitCode::from(remover.all_went_well)
}

struct Remover<'a> {
    options: &'a Options,
    all_went_well: bool,
}

impl Remover<'_> {
    /// Removes a file; whether nothing was complained of.
    fn remove(&mut self, file: &str) -> bool {
        let went_well = core::mem::replace(&mut self.all_went_well, true);
        if let Err(error) = self.try_remove(file)
            && !(self.options.has('f') && error.kind() == ErrorKind::NotFound)
        {
            complain!("{file}: {error}");
            self.all_went_well = false;
        }
        let is_removed = self.all_went_well;
        self.all_went_well &= went_well;
        is_removed
    }

    fn try_remove(&mut self, file: &str) -> io::Result<()> {
        let is_directory = fs::symlink_metadata(file)?.is_dir();
        if is_directory && (self.options.has('r') || self.options.has('R')) {
            if !self.empty(file)? {
                // It was said why.
                return Ok(());
            }
            fs::remove_dir(file)?;
        } else if is_directory && self.options.has('d') {
            fs::remove_dir(file)?;
        } else {
            fs::remove_file(file)?;
        }
        if self.options.has('v') {
            println!("removed {file}");
        }
        Ok(())
    }

    /// Removes all that is in a directory; whether that went well.
    fn empty(&mut self, directory: &str) -> io::Result<bool> {
        // The names are collected first: removing entries moves positions.
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            names.push(String::from(entry?.file_name()));
        }
        let mut is_empty = true;
        for name in names {
            is_empty &= self.remove(&path::join(directory, &name));
        }
        Ok(is_empty)
    }
}
