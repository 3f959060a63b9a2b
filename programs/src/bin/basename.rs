//! Prints the last parts of paths.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

use posix::path;
use posix::prelude::*;

const SWITCHES: Switches = Switches::new(
    "as:",
    "basename PATH [SUFFIX] | basename [-a] [-s SUFFIX] PATH...",
)
.long(&[("multiple", 'a'), ("suffix", 's')])
.example("basename /usr/lib/libc.so .so")
.stopping()
.usage_status(1);

#[posix::main]
fn main() -> ExitCode {
    let options = Options::parse(&SWITCHES);
    let is_multiple = options.has('a') || options.has('s');
    let (paths, suffix) = match options.operands() {
        [] => options.usage(),
        paths if is_multiple => (paths, options.value('s').unwrap_or_default()),
        [path] => (core::slice::from_ref(path), ""),
        [path, suffix] => (core::slice::from_ref(path), suffix.as_str()),
        _ => options.usage(),
    };
    for path in paths {
        let name = path::file_name(path);
        // A name that is all suffix stays.
        let kept = name.strip_suffix(suffix).filter(|kept| !kept.is_empty());
        println!("{}", kept.unwrap_or(name));
    }
    ExitCode::SUCCESS
}
