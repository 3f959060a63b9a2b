//! A closure may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: &dyn Fn(u32) -> u32) -> RpcResult<()>;
}

fn main() {}
