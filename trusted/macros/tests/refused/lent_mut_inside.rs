//! The same inside an array, a tuple and a struct, by an alias.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable, RpcResult, interface};

#[derive(Exchangeable, Clone, Copy)]
#[repr(C)]
pub struct Text {
    letters: [char; 4],
}

pub type Pair = (u64, Text);

#[interface]
pub trait Service {
    fn fill(&self, it: &mut [[Pair; 2]]) -> RpcResult<()>;
}

fn main() {}
