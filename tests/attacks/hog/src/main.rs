//! Keeps the kernel busy with one service call.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec;

use runtime::thread::{self, Priority};
use runtime::{StartError, domain, log};

/// More than any machine fills in 100 ms.
const BYTES: usize = 128 << 20;

/// Asks for randomness without end, in calls that take long.
#[domain]
fn hog() -> Result<(), StartError> {
    let spawned = thread::spawn("hog", Priority::Normal, || {
        let mut bytes = vec![0; BYTES];
        log::info!("asking for {} bytes at once", bytes.len());
        while runtime::random(&mut bytes).is_ok() {}
    });
    spawned.map(drop).map_err(|_| StartError::new("no thread"))
}
