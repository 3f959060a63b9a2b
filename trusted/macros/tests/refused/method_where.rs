//! A method has no where clause.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<()> where Self: Sized;
}

fn main() {}
