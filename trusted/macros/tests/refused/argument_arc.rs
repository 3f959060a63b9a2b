//! An `Arc` may not cross.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: std::sync::Arc<u64>) -> RpcResult<()>;
}

fn main() {}
