//! A trait object goes into a proxy.
#![forbid(unsafe_code)]
use exchange::interface;
pub trait Clone2 {}

#[interface]
pub trait Service {
    fn call(&self, it: &dyn Clone2) -> RpcResult<()>;
}

fn main() {}
