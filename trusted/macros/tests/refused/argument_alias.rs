//! A name does not hide what a type is.
#![forbid(unsafe_code)]
use exchange::{RpcResult, interface};
type Mine = Vec<u8>;

#[interface]
pub trait Service {
    fn call(&self, it: Mine) -> RpcResult<()>;
}

fn main() {}
