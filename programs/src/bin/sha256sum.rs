//! Prints and checks SHA-256 sums.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use hmac_sha256::Hash;
use posix::fs::File;
use posix::io::{self, BufReader};
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("cb", "sha256sum [-c] [FILE...]")
    .long(&[("check", 'c')])
    .usage_status(1);

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let default = [String::from("-")];
    let files = match options.operands() {
        [] => &default[..],
        files => files,
    };
    let mut all_went_well = true;
    for file in files {
        let result = match options.has('c') {
            true => check(file),
            false => sum(file).map(|sum| {
                println!("{sum}  {file}");
                true
            }),
        };
        all_went_well &= result.unwrap_or_else(|error| {
            complain!("{file}: {error}");
            false
        });
    }
    ExitCode::from(all_went_well)
}

fn open(file: &str) -> io::Result<Box<dyn Read>> {
    Ok(match file {
        "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(file)?),
    })
}

fn sum(file: &str) -> io::Result<String> {
    let mut input = open(file)?;
    let mut hash = Hash::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk)? {
            0 => break,
            count => hash.update(&chunk[..count]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Compares files with the sums in a list.
fn check(list: &str) -> io::Result<bool> {
    let mut all_match = true;
    let mut sums = 0;
    for line in BufReader::new(open(list)?).lines() {
        let line = line?;
        let Some((expected, file)) = line.split_once("  ") else {
            continue;
        };
        sums += 1;
        let file = file.trim_start_matches('*');
        let verdict = match sum(file) {
            Ok(found) if found == expected.to_ascii_lowercase() => "OK",
            Ok(_) => "FAILED",
            Err(error) => {
                complain!("{file}: {error}");
                "FAILED open or read"
            }
        };
        all_match &= verdict == "OK";
        println!("{file}: {verdict}");
    }
    if sums == 0 {
        complain!("{list}: no line is a sum, two blanks and a file");
    }
    Ok(all_match && sums > 0)
}
