//! The address of a proxy is for trusted code.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{Proxy, RpcResult, interface};

#[interface]
pub trait Service {
    fn work(&self) -> RpcResult<()>;
}

fn leak(proxy: Proxy<dyn Service>) -> usize {
    Proxy::into_object(proxy).as_ptr() as usize
}

fn main() {}
