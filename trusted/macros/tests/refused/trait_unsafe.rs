//! An interface is not unsafe.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub unsafe trait Service {
    fn call(&self) -> RpcResult<()>;
}

fn main() {}
