//! A borrow names no lifetime.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call<'a>(&self, it: &'a u8) -> RpcResult<()>;
}

fn main() {}
