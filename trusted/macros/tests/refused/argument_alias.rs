//! A name does not hide what a type is.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{RpcResult, interface};
type Mine = Vec<u8>;

#[interface]
pub trait Service {
    fn call(&self, it: Mine) -> RpcResult<()>;
}

fn main() {}
