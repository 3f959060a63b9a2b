//! An exchangeable type is not generic.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine<T> {
    a: T,
}

fn main() {}
