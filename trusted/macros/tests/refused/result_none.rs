//! A method returns `RpcResult`, even of nothing.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self);
}

fn main() {}
