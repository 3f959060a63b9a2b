//! A function pointer may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: fn(u32) -> u32) -> RpcResult<()>;
}

fn main() {}
