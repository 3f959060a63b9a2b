//! The smallest supervisor: says hello in the log and powers off.
//!
//! It stands in for `init` in the scenario that shows whether a machine boots,
//! loads a signed image and ends, before anything else can be wrong.

#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(redleaf_image)]
use runtime::{BootArchive, DomainControl, StartError};

/// Says hello and powers off with status 0.
#[cfg(redleaf_image)]
#[runtime::domain]
fn hello(control: DomainControl, _archive: BootArchive) -> Result<(), StartError> {
    runtime::log::info!("hello");
    control.power_off(0)
}

#[cfg(not(redleaf_image))]
fn main() {}
