//! A closure in a slot of a proxy may not cross.
#![forbid(unsafe_code)]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn call(&self, it: exchange::Proxy<dyn Fn(u32) -> u32>) -> RpcResult<()>;
}

fn main() {}
