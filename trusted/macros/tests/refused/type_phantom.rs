//! A struct holds no marker.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    a: std::marker::PhantomData<u8>,
}

fn main() {}
