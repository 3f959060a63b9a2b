//! A method takes `&self`, not `Arc<Self>`.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(self: std::sync::Arc<Self>) -> RpcResult<()>;
}

fn main() {}
