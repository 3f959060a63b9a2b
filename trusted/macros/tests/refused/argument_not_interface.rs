//! A proxy is one of an interface.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};
pub trait Other: Send + Sync {}

#[interface]
pub trait Service {
    fn call(&self, it: exchange::Proxy<dyn Other>) -> RpcResult<()>;
}

fn main() {}
