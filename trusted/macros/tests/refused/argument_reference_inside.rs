//! A reference is lent as an argument of its own only.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: (u8, &u8)) -> RpcResult<()>;
}

fn main() {}
