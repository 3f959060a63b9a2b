//! A macro may not hide a type.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::interface;
macro_rules! hide { () => { u8 } }

#[interface]
pub trait Service {
    fn call(&self, it: hide!()) -> RpcResult<()>;
}

fn main() {}
