//! A cell may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: std::cell::Cell<u64>) -> RpcResult<()>;
}

fn main() {}
