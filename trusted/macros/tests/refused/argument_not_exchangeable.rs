//! A type that is not derived may not cross.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};
pub struct Mine(u32);

#[interface]
pub trait Service {
    fn call(&self, it: Mine) -> RpcResult<()>;
}

fn main() {}
