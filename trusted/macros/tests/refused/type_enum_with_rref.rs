//! An enum is plain data.
#![forbid(unsafe_code)]
use exchange::{Exchangeable, RRef};

#[derive(Exchangeable)]
#[repr(C)]
pub enum Mine {
    A(RRef<u64>),
    B,
}

fn main() {}
