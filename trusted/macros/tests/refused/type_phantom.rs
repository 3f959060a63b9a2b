//! A struct holds no marker.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    a: std::marker::PhantomData<u8>,
}

fn main() {}
