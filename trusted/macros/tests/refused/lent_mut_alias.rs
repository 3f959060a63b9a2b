//! An alias hides a `&mut` from the macro, not from the compiler.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};

pub type Place = &'static mut bool;

#[interface]
pub trait Service {
    fn fill(&self, it: Place) -> RpcResult<()>;
}

fn main() {}
