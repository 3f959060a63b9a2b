//! No projection or alias passes off a cell as exchangeable.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::Exchangeable;

pub trait Hides {
    type Is;
}

impl Hides for u8 {
    type Is = core::cell::Cell<u64>;
}

pub type Hidden = <u8 as Hides>::Is;

#[derive(Exchangeable)]
#[repr(C)]
pub struct Carrier {
    it: Hidden,
}

#[derive(Exchangeable)]
#[repr(C)]
pub struct Plain {
    it: <u8 as Hides>::Is,
}

fn main() {}
