//! A name that the macros use, with another meaning outside of what they make.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
trait __NoDestructor {}
impl dyn __NoDestructor {
    const N: usize = 1;
}
trait Fallback {
    const N: usize = 0;
}
impl<T: ?Sized> Fallback for T {}

#[derive(exchange::Exchangeable)]
#[repr(C)]
struct Evil([u8; { <dyn __NoDestructor>::N }]);

#[derive(exchange::Exchangeable)]
#[repr(u32)]
enum Variants {
    One([u8; __REDLEAF]) = 1,
}
const __REDLEAF: usize = 2;

fn main() {}
