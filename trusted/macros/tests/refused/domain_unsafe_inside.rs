//! The macro does not hide the user's `unsafe`.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::{StartError, domain};

#[domain]
fn service() -> Result<(), StartError> {
    unsafe { core::hint::unreachable_unchecked() }
}
