//! A method has no const parameter.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call<const N: usize>(&self, it: [u8; N]) -> RpcResult<()>;
}

fn main() {}
