//! Nobody implements `Exchangeable` by hand.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]

pub struct Mine;

unsafe impl exchange::Exchangeable for Mine {
    const NAME: &'static str = "Mine";
    const FINGERPRINT: u64 = 0;
}

fn main() {}
