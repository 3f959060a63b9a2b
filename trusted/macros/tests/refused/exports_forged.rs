//! What calls an object's methods is made for its type, by nobody else.
use exchange::generated::Exports;
use exchange::{RpcResult, interface};

#[interface]
pub trait Service {
    fn work(&self) -> RpcResult<u64>;
}

struct Honest;

impl Service for Honest {
    fn work(&self) -> RpcResult<u64> {
        Ok(1)
    }
}

struct Liar;

impl Service for Liar {
    fn work(&self) -> RpcResult<u64> {
        Ok(2)
    }
}

impl __ServiceExports for Liar {
    fn __exports(&self) -> Exports {
        Honest.__exports()
    }
}

fn main() {}
