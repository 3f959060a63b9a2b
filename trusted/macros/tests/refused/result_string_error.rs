//! An error is exchangeable.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<Result<(), String>>;
}

fn main() {}
