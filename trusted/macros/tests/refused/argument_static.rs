//! A `'static` reference may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: &'static u8) -> RpcResult<()>;
}

fn main() {}
