//! What is lent past a death are numbers.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable, Loan, RRef};

#[derive(Exchangeable, Clone, Copy)]
#[repr(u8)]
pub enum State {
    On = 1,
}

fn main() {
    let _ = Loan::new(RRef::new(State::On));
}
