//! A result is exchangeable.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<Vec<u8>>;
}

fn main() {}
