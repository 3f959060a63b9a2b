//! The mark says all there is to say.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    #[repeatable(3)]
    fn call(&self) -> RpcResult<()>;
}

fn main() {}
