//! A borrow names no lifetime.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call<'a>(&self, it: &'a u8) -> RpcResult<()>;
}

fn main() {}
