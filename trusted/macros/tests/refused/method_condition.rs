//! Every image has the same methods under the same numbers.
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    #[cfg(target_os = "linux")]
    fn work(&self) -> RpcResult<u64>;
    fn rest(&self) -> RpcResult<u64>;
}

fn main() {}
