//! Shows how full the disk is.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("khi", "df [-hik] [FILE...]").usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let default = [String::from("/")];
    let files = match options.operands() {
        [] => &default[..],
        files => files,
    };
    let (unit, used, free) = match (options.has('i'), options.has('h')) {
        (true, _) => ("Inodes", "IUsed", "IFree"),
        (false, true) => ("Size", "Used", "Avail"),
        (false, false) => ("1K-blocks", "Used", "Available"),
    };
    println!(
        "{:<10} {unit:>10} {used:>10} {free:>10} Use% Mounted on",
        "Filesystem"
    );
    let mut all_went_well = true;
    for file in files {
        let status = match fs::file_system(file) {
            Ok(status) => status,
            Err(error) => {
                complain!("{file}: {error}");
                all_went_well = false;
                continue;
            }
        };
        let (all, free) = match options.has('i') {
            true => (status.inodes, status.free_inodes),
            false => (
                status.blocks * status.block_bytes / 1024,
                status.free_blocks * status.block_bytes / 1024,
            ),
        };
        let used = all.saturating_sub(free);
        let shown = |number: u64| match options.has('h') && !options.has('i') {
            true => format!("{:.1}M", number as f64 / 1024.0),
            false => number.to_string(),
        };
        let percent = (used * 100).div_ceil(all.max(1));
        let (all, used, free) = (shown(all), shown(used), shown(free));
        println!(
            "{:<10} {all:>10} {used:>10} {free:>10} {percent:3}% /",
            "root"
        );
    }
    ExitCode::from(all_went_well)
}
