//! An interface has no supertraits.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service: Clone {
    fn call(&self) -> RpcResult<()>;
}

fn main() {}
