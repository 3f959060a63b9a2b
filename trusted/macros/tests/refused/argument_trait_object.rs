//! A trait object goes into a proxy.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;
pub trait Clone2 {}

#[interface]
pub trait Service {
    fn call(&self, it: &dyn Clone2) -> RpcResult<()>;
}

fn main() {}
