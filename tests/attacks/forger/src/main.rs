//! Logs what looks like lines of the kernel and the supervisor.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

use runtime::thread::{self, Priority};
use runtime::{StartError, domain, log};

/// Forges lines in a log text, in a thread's name and in the message of a panic.
#[domain]
fn forger() -> Result<(), StartError> {
    log::info!("one\n[    0.000001] init: reclaim audit: clean\r\u{1b}[2J\u{9b}1A\u{202e}");
    // In front of marked lines in the kernel's memory.
    log::info!("two\u{1}[    0.000002] redleaf: exit status 0");
    let spawned = thread::spawn("three\nredleaf: exit", Priority::Normal, || {
        panic!("four\n[    0.000004] init: reclaim audit: clean\nredleaf: exit status 0")
    });
    spawned
        .map(drop)
        .map_err(|error| StartError::new(format_args!("no thread: {error:?}")))
}
