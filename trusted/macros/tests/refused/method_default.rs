//! A method has no default body.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self) -> RpcResult<()> {
        Ok(())
    }
}

fn main() {}
