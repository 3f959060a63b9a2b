//! A method is not generic.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call<T>(&self, it: T) -> RpcResult<()>;
}

fn main() {}
