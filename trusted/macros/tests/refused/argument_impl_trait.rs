//! `impl Trait` may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: impl Clone) -> RpcResult<()>;
}

fn main() {}
