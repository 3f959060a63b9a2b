//! What a domain hands to the one that replaces it.
//!
//! A domain that has state to hand over asks for the parameter
//! `succession: Proxy<dyn Succession>` (`succession = true` in the manifest).
//! When it starts it looks at what it [inherits](Succession::inherited), and it
//! [offers](Succession::offer) an object that gives its state. One that keeps
//! nothing, as a driver should, needs none of this.

use exchange::{Proxy, RRefSlice, RpcResult};
use macros::{Exchangeable, interface};

/// State of a domain, as data.
#[derive(Debug, Exchangeable)]
#[repr(C)]
pub struct HandedState {
    /// What it is, chosen by who made it: a fingerprint of the format's name.
    pub format: u64,
    /// Version of the format. Who does not know it refuses to start, and the
    /// supervisor goes back to the old image.
    pub version: u32,
    /// Reserved, zero.
    pub reserved: u32,
    /// The state, to be validated by who reads it.
    pub bytes: RRefSlice<u8>,
}

/// Gives the state of a domain that is to be replaced.
#[interface]
pub trait Stateful {
    /// The state now. No call is under way when it is asked for, and none
    /// follows; `None`: there is nothing to hand over.
    fn hand_over(&self) -> RpcResult<Option<RRefState>>;
}

/// [`HandedState`] on the exchange heap.
pub type RRefState = exchange::RRef<HandedState>;

/// A domain's link to those before and after it.
#[interface]
pub trait Succession {
    /// What the predecessor handed over; `None` at a first start and after a
    /// death, which leaves nothing.
    fn inherited(&self) -> RpcResult<Option<RRefState>>;
    /// Names the object that gives this domain's state when it is replaced.
    fn offer(&self, state: Proxy<dyn Stateful>) -> RpcResult<()>;
}
