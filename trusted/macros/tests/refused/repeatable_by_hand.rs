//! Nobody says of what is moved that it is there for a second call.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable, RRef, RpcResult, interface};

#[derive(Exchangeable)]
#[repr(C)]
struct Moved {
    reference: RRef<u64>,
}

impl exchange::generated::Repeatable for Moved {}

#[interface]
trait Twice {
    #[repeatable]
    fn call(&self, moved: Moved) -> RpcResult<()>;
}

fn main() {}
