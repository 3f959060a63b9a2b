//! Nobody says of a type of his own that any bytes are a value.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::Exchangeable;

#[derive(Exchangeable, Clone, Copy)]
#[repr(u8)]
pub enum State {
    On = 1,
}

impl exchange::AnyBits for State {}

fn main() {}
