//! A raw pointer may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: *const u8) -> RpcResult<()>;
}

fn main() {}
