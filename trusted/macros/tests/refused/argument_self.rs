//! `Self` may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: Self) -> RpcResult<()>;
}

fn main() {}
