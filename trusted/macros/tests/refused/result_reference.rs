//! A result is no reference.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<&[u8]>;
}

fn main() {}
