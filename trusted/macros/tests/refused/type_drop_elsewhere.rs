//! A destructor is one also where it hides in another block, behind a macro.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::Exchangeable;

macro_rules! both {
    ($name:ident) => {
        #[derive(Exchangeable)]
        #[repr(C)]
        pub struct $name {
            it: u64,
        }

        const _: () = {
            impl Drop for $name {
                fn drop(&mut self) {
                    loop {}
                }
            }
        };
    };
}

both!(Trap);

fn main() {}
