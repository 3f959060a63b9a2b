//! A result is exchangeable.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<Vec<u8>>;
}

fn main() {}
