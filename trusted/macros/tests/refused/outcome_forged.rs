//! What a domain comes to is one of three things; the kernel believes it.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use core::ptr::NonNull;

use runtime::entry::Outcome;

pub struct Mine;

impl Outcome for Mine {
    const PROVIDES: Option<(&'static str, u64)> = Some(("BlockDevice", 1));
}

fn main() {}
