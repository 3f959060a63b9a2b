//! An argument has a plain name.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, (a, b): (u8, u8)) -> RpcResult<()>;
}

fn main() {}
