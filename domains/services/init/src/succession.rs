//! The link between a domain and those before and after it in its place.

use alloc::sync::Arc;

use exchange::{Proxy, RRef, RRefSlice, RpcResult};
use interfaces::succession::{HandedState, RRefState, Stateful, Succession};

use crate::system::System;

/// The object one domain of the plan calls.
pub struct Link {
    system: Arc<System>,
    index: usize,
}

impl Link {
    /// The link of the `index`-th domain of the plan.
    pub const fn new(system: Arc<System>, index: usize) -> Self {
        Self { system, index }
    }
}

impl Succession for Link {
    fn inherited(&self) -> RpcResult<Option<RRefState>> {
        let entries = self.system.entries.lock();
        let state = entries
            .get(self.index)
            .and_then(|entry| entry.state.as_ref());
        // A copy: should this heir fail, the old image inherits it.
        Ok(state.and_then(|state| copy(state)))
    }

    fn offer(&self, state: Proxy<dyn Stateful>) -> RpcResult<()> {
        if let Some(entry) = self.system.entries.lock().get_mut(self.index) {
            entry.stateful = Some(state);
        }
        Ok(())
    }
}

fn copy(state: &HandedState) -> Option<RRefState> {
    RRef::try_new(HandedState {
        format: state.format,
        version: state.version,
        reserved: 0,
        bytes: RRefSlice::try_from_slice(&state.bytes).ok()?,
    })
    .ok()
}
