//! A marker may not cross.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    fn call(&self, it: std::marker::PhantomData<u8>) -> RpcResult<()>;
}

fn main() {}
