//! A domain provides an object of an interface.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::{StartError, domain};

#[domain]
fn service() -> Result<u32, StartError> {
    Ok(1)
}
