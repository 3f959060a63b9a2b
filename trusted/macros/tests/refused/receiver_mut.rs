//! A method takes `&self`, not `&mut self`.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&mut self) -> RpcResult<()>;
}

fn main() {}
