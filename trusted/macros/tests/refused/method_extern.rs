//! A method has no ABI.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;

#[interface]
pub trait Service {
    extern "C" fn call(&self) -> RpcResult<()>;
}

fn main() {}
