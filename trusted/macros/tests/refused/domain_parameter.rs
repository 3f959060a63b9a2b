//! A parameter is a capability.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::{StartError, domain};

#[domain]
fn service(number: u32) -> Result<(), StartError> {
    Ok(())
}
