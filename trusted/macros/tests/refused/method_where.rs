//! A method has no where clause.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<()> where Self: Sized;
}

fn main() {}
