//! Only slices of plain data are lent.
#![forbid(unsafe_code)]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn call(&self, it: &mut [exchange::RRef<u64>]) -> RpcResult<()>;
}

fn main() {}
