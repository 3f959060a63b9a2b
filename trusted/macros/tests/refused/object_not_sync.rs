//! An object of an interface can be shared.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<()>;
}

struct Counter(std::cell::Cell<u32>);

impl Service for Counter {
    fn call(&self) -> RpcResult<()> {
        self.0.set(1);
        Ok(())
    }
}

fn main() {}
