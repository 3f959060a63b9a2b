//! A method has a receiver.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(it: u8) -> RpcResult<()>;
}

fn main() {}
