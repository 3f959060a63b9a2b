//! A program names the interface of its process.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::program;

#[program]
fn service() {}

fn main() {}
