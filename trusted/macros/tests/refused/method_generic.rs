//! A method is not generic.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call<T>(&self, it: T) -> RpcResult<()>;
}

fn main() {}
