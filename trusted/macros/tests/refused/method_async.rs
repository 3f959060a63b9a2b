//! A method is not async.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    async fn call(&self) -> RpcResult<()>;
}

fn main() {}
