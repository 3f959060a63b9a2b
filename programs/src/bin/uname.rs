//! Prints what system this is.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::fs;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new("asnrvmo", "uname [-amnorsv]")
    .long(&[
        ("all", 'a'),
        ("kernel-name", 's'),
        ("nodename", 'n'),
        ("kernel-release", 'r'),
        ("kernel-version", 'v'),
        ("machine", 'm'),
        ("operating-system", 'o'),
    ])
    .example("uname -a")
    .usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    if !options.operands().is_empty() {
        options.usage();
    }
    let host = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "redleaf",
        host => host,
    };
    let parts = [
        ('s', "RedLeaf"),
        ('n', host),
        ('r', env!("CARGO_PKG_VERSION")),
        ('v', "Rv6"),
        ('m', "x86_64"),
        ('o', "RedLeaf"),
    ];
    let is_default = !parts.iter().any(|(letter, _)| options.has(*letter)) && !options.has('a');
    let shown = parts.iter().filter(|(letter, _)| {
        options.has('a') || options.has(*letter) || is_default && *letter == 's'
    });
    let shown: Vec<&str> = shown.map(|(_, part)| *part).collect();
    println!("{}", shown.join(" "));
    ExitCode::SUCCESS
}
