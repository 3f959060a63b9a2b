//! A `bool` has two values of 256.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn fill(&self, it: &mut [bool]) -> RpcResult<()>;
}

fn main() {}
