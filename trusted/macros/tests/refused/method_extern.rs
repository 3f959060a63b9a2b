//! A method has no ABI.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    extern "C" fn call(&self) -> RpcResult<()>;
}

fn main() {}
