//! A closure in a slot of a proxy may not cross.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn call(&self, it: exchange::Proxy<dyn Fn(u32) -> u32>) -> RpcResult<()>;
}

fn main() {}
