//! A method takes `&self`, not `Arc<Self>`.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(self: std::sync::Arc<Self>) -> RpcResult<()>;
}

fn main() {}
