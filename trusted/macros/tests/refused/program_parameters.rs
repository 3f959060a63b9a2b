//! A program takes a process and arguments.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused_variables, reason = "trybuild's package does not know the workspace's")]
use runtime::program;

#[program(dyn runtime::log::Log)]
fn service() {}

fn main() {}
