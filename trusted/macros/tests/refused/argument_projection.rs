//! A projection may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: <u8 as std::ops::Add>::Output) -> RpcResult<()>;
}

fn main() {}
