//! Succeeds.
#![no_std]
#![cfg_attr(redleaf_image, no_main)]
#![forbid(unsafe_code)]

#[posix::main]
fn main() {}
