//! A method is not unsafe.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    unsafe fn call(&self) -> RpcResult<()>;
}

fn main() {}
