//! A `RefCell` may not be lent.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: &std::cell::RefCell<u64>) -> RpcResult<()>;
}

fn main() {}
