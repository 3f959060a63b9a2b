//! A borrower that dies in a write leaves an enum that is no variant.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable, RpcResult, interface};

#[derive(Exchangeable, Clone, Copy)]
#[repr(u64)]
pub enum Secret {
    Low = 0x1111_1111_1111_1111,
    High = 0x2222_2222_2222_2222,
}

#[interface]
pub trait Service {
    fn fill(&self, it: &mut Secret) -> RpcResult<()>;
}

fn main() {}
