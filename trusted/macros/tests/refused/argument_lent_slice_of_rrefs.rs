//! Only slices of plain data are lent.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn call(&self, it: &mut [exchange::RRef<u64>]) -> RpcResult<()>;
}

fn main() {}
