//! An interface is not generic.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service<T> {
    fn call(&self, it: T) -> RpcResult<()>;
}

fn main() {}
