//! An interface is not generic.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service<T> {
    fn call(&self, it: T) -> RpcResult<()>;
}

fn main() {}
