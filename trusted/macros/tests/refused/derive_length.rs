//! A length that could mean one thing in the definition and another elsewhere.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
macro_rules! length {
    () => {
        2
    };
}
const fn length() -> usize {
    2
}
trait Length {
    const N: usize = 2;
}
impl Length for u8 {}
struct Long<const N: usize>;
type Of<T, const N: usize> = [T; N];

#[derive(exchange::Exchangeable)]
#[repr(C)]
struct ByMacro([u8; length!()]);

#[derive(exchange::Exchangeable)]
#[repr(C)]
struct ByCall([u8; length()]);

#[derive(exchange::Exchangeable)]
#[repr(C)]
struct ByTrait([u8; <u8 as Length>::N]);

#[derive(exchange::Exchangeable)]
#[repr(C)]
struct ByBlock(Of<u8, { let n = 2; n }>);

#[derive(exchange::Exchangeable)]
#[repr(u32)]
enum ByVariant {
    One(Of<u8, { length() }>) = 1,
}

#[exchange::interface]
trait ByArgument {
    fn lend(&self, bytes: &[u8; length()]) -> exchange::RpcResult<()>;
}

fn main() {}
