//! Calls for the stress test: through several domains, and into their death.
//!
//! For test systems only.

use exchange::{Exchangeable, Proxy, RRef, RRefDeque, RpcResult};
use macros::interface;

/// Objects in a batch.
pub const STRESS_BATCH: usize = 8;

/// A batch of objects.
pub type StressBatch = RRefDeque<RRef<u64>, STRESS_BATCH>;

/// How a victim ends itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum Ending {
    /// It panics.
    Panic,
    /// It runs out of stack.
    Recursion,
    /// It loops until it is ended.
    Loop,
    /// It exits.
    Exit,
}

/// A domain that may end at any time.
#[interface]
pub trait Victim {
    /// The sum of the bytes.
    fn sum(&self, bytes: &[u8]) -> RpcResult<u64>;
    /// Fills the bytes with a value.
    fn fill(&self, bytes: &mut [u8], value: u8) -> RpcResult<()>;
    /// The object, one more.
    fn count(&self, object: RRef<u64>) -> RpcResult<RRef<u64>>;
    /// The batch, each object one more.
    fn count_all(&self, batch: StressBatch) -> RpcResult<StressBatch>;
    /// Keeps an object until its end or the next one.
    fn keep(&self, object: RRef<u64>) -> RpcResult<()>;
    /// Calls `next`'s `sum` and gives back what it said; `None`: it is dead.
    fn relay(&self, next: Proxy<dyn Victim>, bytes: &[u8]) -> RpcResult<Option<u64>>;
    /// Holds a lock of the domain's while it sleeps.
    fn nap(&self, length_us: u64) -> RpcResult<()>;
    /// Never comes back.
    fn end(&self, ending: Ending) -> RpcResult<()>;
}
