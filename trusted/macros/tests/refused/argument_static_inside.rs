//! A `'static` reference inside a type may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: Option<&'static u8>) -> RpcResult<()>;
}

fn main() {}
