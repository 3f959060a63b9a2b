//! Nobody says how calls reach objects of another type.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::generated::Exports;

fn main() {
    let _ = Exports::new::<u64>(&[]);
}
