//! `#[interface]` takes no arguments.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface(version = 2)]
pub trait Service {
    fn call(&self) -> RpcResult<()>;
}

fn main() {}
