//! A function pointer may not cross.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: fn(u32) -> u32) -> RpcResult<()>;
}

fn main() {}
