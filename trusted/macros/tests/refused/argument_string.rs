//! A `String` may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: String) -> RpcResult<()>;
}

fn main() {}
