//! A supervisor that dies once it has started: the system ends, and says so.

#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(redleaf_image)]
use runtime::thread::{self, Priority};
#[cfg(redleaf_image)]
use runtime::time::Duration;
#[cfg(redleaf_image)]
use runtime::{BootArchive, DomainControl, StartError};

/// Leaves a thread that panics in a moment.
#[cfg(redleaf_image)]
#[runtime::domain]
fn mortal(_control: DomainControl, _archive: BootArchive) -> Result<(), StartError> {
    let started = thread::spawn("fuse", Priority::Normal, || {
        thread::sleep(Duration::from_millis(50));
        panic!("the supervisor is mortal");
    });
    started
        .map(drop)
        .map_err(|error| StartError::new(format_args!("no thread: {error:?}")))
}

#[cfg(not(redleaf_image))]
fn main() {}
