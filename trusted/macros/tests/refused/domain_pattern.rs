//! A parameter has a plain name.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::{StartError, domain};

use runtime::Bytes;

#[domain]
fn service(Bytes(bytes): Bytes) -> Result<(), StartError> {
    Ok(())
}

fn main() {}
