//! `#[interface]` takes no arguments.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface(version = 2)]
pub trait Service {
    fn call(&self) -> RpcResult<()>;
}

fn main() {}
