//! Nobody implements `Interface`, or a capability, by hand.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::generated::{Exports, InterfaceLink};

pub trait Mine: Send + Sync {}

unsafe impl exchange::Interface for dyn Mine {
    const NAME: &'static str = "BlockDevice";
    const RECORD: InterfaceLink = unsafe { InterfaceLink::new(core::ptr::null()) };

    fn exports(_: &Self) -> Exports {
        Exports::new::<u8>(&[])
    }
}

fn main() {}
