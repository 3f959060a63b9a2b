//! A method is not async.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    async fn call(&self) -> RpcResult<()>;
}

fn main() {}
