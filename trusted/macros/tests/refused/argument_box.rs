//! A `Box` may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: Box<u64>) -> RpcResult<()>;
}

fn main() {}
