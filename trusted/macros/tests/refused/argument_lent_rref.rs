//! Only plain data is lent.
#![forbid(unsafe_code)]
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn call(&self, it: &exchange::RRef<u64>) -> RpcResult<()>;
}

fn main() {}
