//! Every field is exchangeable.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

pub struct Other;

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    a: Other,
}

fn main() {}
