//! What is moved cannot be moved twice.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RRef, RpcResult, interface};

#[interface]
pub trait Service {
    #[repeatable]
    fn call(&self, number: u64, it: RRef<u64>) -> RpcResult<()>;
}

fn main() {}
