//! An argument has a plain name.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, (a, b): (u8, u8)) -> RpcResult<()>;
}

fn main() {}
