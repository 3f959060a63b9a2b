//! A method takes `&self`, not `self`.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(self) -> RpcResult<()>;
}

fn main() {}
