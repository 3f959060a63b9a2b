//! `#[domain]` takes no arguments.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::{StartError, domain};

#[domain(name = "x")]
fn service() -> Result<(), StartError> {
    Ok(())
}

fn main() {}
