//! A method is not unsafe.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    unsafe fn call(&self) -> RpcResult<()>;
}

fn main() {}
