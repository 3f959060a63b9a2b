//! A `Vec` may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: Vec<u8>) -> RpcResult<()>;
}

fn main() {}
