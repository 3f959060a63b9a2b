//! Sets permission bits.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::prelude::*;
use posix::{fs, io, path};
use utility::mode::{self, Subject};

const SWITCHES: Switches = Switches::new(
    "RvfrwxXst",
    "chmod [-Rfv] OCTAL|[ugoa][+-=][rwxXst] FILE...",
)
.long(&[("recursive", 'R'), ("verbose", 'v'), ("silent", 'f')])
.example("chmod -R u=rwX,go=rX /srv")
.usage_status(1);

/// Rv6 has no masks: this is what programs make files with.
const MASK: u32 = 0o022;

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    // A mode that takes bits away looks like an option; each letter is one.
    let removed: String = "rwxXst"
        .chars()
        .filter(|letter| options.has(*letter))
        .collect();
    let (mode, files) = match (removed.as_str(), options.operands()) {
        ("", [mode, files @ ..]) => (mode.clone(), files),
        ("", []) => options.usage(),
        (letters, files) => (format!("-{letters}"), files),
    };
    if files.is_empty() {
        options.usage();
    }
    let nothing = Subject {
        mode: 0,
        is_directory: false,
        mask: MASK,
    };
    if mode::apply(&mode, nothing).is_none() {
        complain!("{mode}: not a mode");
        return ExitCode::FAILURE;
    }
    let mut changer = Changer {
        options: &options,
        mode: &mode,
        all_went_well: true,
    };
    for file in files {
        changer.change(file);
    }
    ExitCode::from(changer.all_went_well)
}

struct Changer<'a> {
    options: &'a Options,
    mode: &'a str,
    all_went_well: bool,
}

impl Changer<'_> {
    fn change(&mut self, file: &str) {
        if let Err(error) = self.try_change(file) {
            if !self.options.has('f') {
                complain!("{file}: {error}");
            }
            self.all_went_well = false;
        }
    }

    fn try_change(&mut self, file: &str) -> io::Result<()> {
        let found = fs::metadata(file)?;
        let subject = Subject {
            mode: found.attributes().mode & 0o7777,
            is_directory: found.is_dir(),
            mask: MASK,
        };
        // It was tried before.
        if let Some(bits) = mode::apply(self.mode, subject) {
            fs::set_permissions(file, bits)?;
        }
        if self.options.has('v') {
            println!("{file}");
        }
        if !found.is_dir() || !self.options.has('R') {
            return Ok(());
        }
        let names: io::Result<Vec<String>> = fs::read_dir(file)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name().into())).collect());
        for name in names? {
            let inner = path::join(file, &name);
            // What links lead to lies elsewhere, or is come to anyway.
            if !fs::symlink_metadata(&inner)?.is_symlink() {
                self.change(&inner);
            }
        }
        Ok(())
    }
}
