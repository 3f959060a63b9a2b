//! A method returns `RpcResult`.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self) -> u32;
}

fn main() {}
