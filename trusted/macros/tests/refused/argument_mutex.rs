//! A lock may not be lent.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: &std::sync::Mutex<u32>) -> RpcResult<()>;
}

fn main() {}
