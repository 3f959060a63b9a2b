//! A method has a receiver.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(it: u8) -> RpcResult<()>;
}

fn main() {}
