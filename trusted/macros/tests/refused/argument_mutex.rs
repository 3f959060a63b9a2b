//! A lock may not be lent.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: &std::sync::Mutex<u32>) -> RpcResult<()>;
}

fn main() {}
