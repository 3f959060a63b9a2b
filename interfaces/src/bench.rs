//! Calls that do nothing, to measure what a crossing costs.
//!
//! For benchmark systems only: no production interface has a method for them.

use exchange::{RRef, RRefDeque, RpcResult};
use macros::interface;

/// Objects in a batch.
pub const ECHO_BATCH: usize = 32;

/// A batch of objects, each with an owner of its own, as packets have.
pub type EchoBatch = RRefDeque<RRef<u64>, ECHO_BATCH>;

/// Gives back what it gets.
#[interface]
pub trait Echo {
    /// Nothing at all.
    fn null(&self) -> RpcResult<()>;
    /// One object, there and back.
    fn reference(&self, object: RRef<u64>) -> RpcResult<RRef<u64>>;
    /// A batch of objects, there and back.
    fn batch(&self, batch: EchoBatch) -> RpcResult<EchoBatch>;
    /// A borrow of the caller's memory; its length.
    fn slice(&self, bytes: &[u8]) -> RpcResult<u64>;
}
