//! Handles do not show where things lie.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{Proxy, RRef, RRefDeque, RRefSlice};

fn main() {
    let _ = format!("{:p}", RRef::new(1_u64));
    let _ = format!("{:p}", RRefSlice::from_slice(&[1_u64]));
    let _ = format!("{:p}", RRefDeque::<u64, 2>::new());
}
