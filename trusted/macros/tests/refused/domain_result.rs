//! A domain returns a `Result`.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::domain;

#[domain]
fn service() {}

fn main() {}
