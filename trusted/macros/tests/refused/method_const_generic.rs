//! A method has no const parameter.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call<const N: usize>(&self, it: [u8; N]) -> RpcResult<()>;
}

fn main() {}
