//! An address that the kernel would believe can be named by nobody.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use core::ptr::NonNull;

use runtime::entry::sealed::{Conclude, Conclusion};

pub struct Mine;

impl Conclude for Mine {
    fn conclude(self) -> Result<Conclusion, runtime::StartError> {
        Ok(Conclusion::Provides(NonNull::dangling()))
    }
}

fn main() {}
