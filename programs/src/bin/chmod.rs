//! Sets permission bits.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::prelude::*;

const USAGE: &str = "chmod OCTAL|[ugoa][+-=][rwx] FILE...";

#[posix::main]
fn main() -> ExitCode {
    let arguments: Vec<String> = posix::env::args().skip(1).collect();
    let Some((mode, files)) = arguments
        .split_first()
        .filter(|(_, files)| !files.is_empty())
    else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    let mut all_went_well = true;
    for file in files {
        let old = match fs::metadata(file) {
            Ok(metadata) => metadata.attributes().mode & 0o7777,
            Err(error) => {
                complain!("{file}: {error}");
                all_went_well = false;
                continue;
            }
        };
        let Some(mode) = changed(mode, old) else {
            complain!("{mode}: not a mode");
            return ExitCode::from(2);
        };
        if let Err(error) = fs::set_permissions(file, mode) {
            complain!("{file}: {error}");
            all_went_well = false;
        }
    }
    ExitCode::from(all_went_well)
}

/// The bits `mode` makes of `old` ones.
fn changed(mode: &str, old: u32) -> Option<u32> {
    if let Ok(bits) = u32::from_str_radix(mode, 8) {
        return (bits <= 0o7777).then_some(bits);
    }
    let mut bits = old;
    for part in mode.split(',') {
        let at = part.find(['+', '-', '='])?;
        let mut who = 0;
        for letter in part[..at].chars() {
            who |= match letter {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            };
        }
        let who = if who == 0 { 0o777 } else { who };
        let mut what = 0;
        for letter in part[at + 1..].chars() {
            what |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                _ => return None,
            };
        }
        bits = match &part[at..=at] {
            "+" => bits | (who & what),
            "-" => bits & !(who & what),
            _ => (bits & !who) | (who & what),
        };
    }
    Some(bits)
}
