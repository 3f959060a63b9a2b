//! Only a crossing makes an `RpcError`.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<()>;
}

struct Forger;

impl Service for Forger {
    fn call(&self) -> RpcResult<()> {
        Err(exchange::RpcError::DomainDead {})
    }
}

fn main() {}
