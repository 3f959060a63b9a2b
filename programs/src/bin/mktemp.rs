//! Makes a file or directory with a name of its own.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs::{self, OpenOptions};
use posix::io::{self, ErrorKind};
use posix::path;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("dqtup:", "mktemp [-dqtu] [-p DIRECTORY] [TEMPLATE]")
    .long(&[
        ("directory", 'd'),
        ("quiet", 'q'),
        ("dry-run", 'u'),
        ("tmpdir", 'p'),
    ])
    .example("mktemp -d /tmp/work.XXXXXX")
    .usage_status(1);

/// Letters of the part that is made up.
const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ab";

/// Names tried before giving up.
const ATTEMPTS: u32 = 100;

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let template = match options.operands() {
        [] => "tmp.XXXXXXXXXX",
        [template] => template.as_str(),
        _ => options.usage(),
    };
    let variable = posix::env::var("TMPDIR").filter(|directory| !directory.is_empty());
    let directory = match (
        options.value('p'),
        options.has('t') || options.operands().is_empty(),
    ) {
        (Some(directory), _) => directory.to_owned(),
        (None, true) => variable.unwrap_or_else(|| "/tmp".into()),
        (None, false) => String::new(),
    };
    let template = path::join(&directory, template);
    let end = template.rfind('X').map_or(0, |at| at + 1);
    let stem = template[..end].trim_end_matches('X');
    let count = end - stem.len();
    if count < 3 || template[end..].contains('/') {
        complain!("{template}: needs three X at least in its last part");
        return ExitCode::FAILURE;
    }
    match make(&options, stem, count, &template[end..]) {
        Ok(name) => {
            println!("{name}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            if !options.has('q') {
                complain!("{template}: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn make(options: &Options, stem: &str, count: usize, suffix: &str) -> io::Result<String> {
    let mut random = fs::File::open("/dev/random")?;
    for _ in 0..ATTEMPTS {
        let mut bytes = vec![0; count];
        random.read_exact(&mut bytes)?;
        let made_up = bytes
            .iter()
            .map(|byte| char::from(LETTERS[usize::from(byte % 64)]));
        let name = format!("{stem}{}{suffix}", made_up.collect::<String>());
        let made = match (options.has('u'), options.has('d')) {
            (true, _) if fs::symlink_metadata(&name).is_ok() => {
                Err(ErrorKind::AlreadyExists.into())
            }
            (true, _) => Ok(()),
            (false, true) => fs::create_dir(&name).and_then(|()| fs::set_permissions(&name, 0o700)),
            (false, false) => {
                let how = OpenOptions::new().write(true).create_new(true).mode(0o600);
                how.open(&name).map(drop)
            }
        };
        match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|()| name),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
