//! A domain's function is not generic.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::{StartError, domain};

#[domain]
fn service<T>() -> Result<(), StartError> {
    Ok(())
}

fn main() {}
