//! A closure may not cross.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: &dyn Fn(u32) -> u32) -> RpcResult<()>;
}

fn main() {}
