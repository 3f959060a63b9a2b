//! A map may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: std::collections::HashMap<u32, u32>) -> RpcResult<()>;
}

fn main() {}
