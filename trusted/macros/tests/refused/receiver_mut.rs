//! A method takes `&self`, not `&mut self`.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&mut self) -> RpcResult<()>;
}

fn main() {}
