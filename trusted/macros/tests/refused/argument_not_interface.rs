//! A proxy is one of an interface.
#![forbid(unsafe_code)]
use exchange::{RpcResult, interface};
pub trait Other: Send + Sync {}

#[interface]
pub trait Service {
    fn call(&self, it: exchange::Proxy<dyn Other>) -> RpcResult<()>;
}

fn main() {}
