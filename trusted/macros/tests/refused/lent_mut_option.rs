//! What an `Option` holds may be there before the `Option` says so.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn fill(&self, it: &mut Option<u64>, or: &mut Result<u8, u8>) -> RpcResult<()>;
}

fn main() {}
