//! Text is lent shared only.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: &mut str) -> RpcResult<()>;
}

fn main() {}
