//! Counts calls, and hands the count to its successor: a domain with state.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use exchange::{Proxy, RRef, RRefSlice, RpcResult};
use interfaces::bench::{Echo, EchoBatch};
use interfaces::succession::{HandedState, RRefState, Stateful, Succession};
use runtime::{StartError, domain};

/// What the state is: "tally" in ASCII.
const FORMAT: u64 = 0x74_61_6C_6C_79;
/// The one version of the format.
const VERSION: u32 = 1;

struct Tally {
    calls: AtomicU64,
}

/// Goes on from its predecessor's count.
#[domain]
fn tally(succession: Proxy<dyn Succession>) -> Result<Arc<dyn Echo>, StartError> {
    let calls = match succession.inherited()? {
        None => 0,
        Some(state) if (state.format, state.version) == (FORMAT, VERSION) => {
            let bytes: &[u8] = &state.bytes;
            let count = bytes
                .try_into()
                .map_err(|_| StartError::new("the state has another length"))?;
            u64::from_le_bytes(count)
        }
        Some(state) => {
            let version = state.version;
            return Err(StartError::new(format_args!("unknown version {version}")));
        }
    };
    let tally = Arc::new(Tally {
        calls: AtomicU64::new(calls),
    });
    let stateful: Arc<dyn Stateful> = tally.clone();
    let stateful = Proxy::try_export(stateful).map_err(|_| StartError::new("no memory"))?;
    succession.offer(stateful)?;
    Ok(tally)
}

impl Stateful for Tally {
    fn hand_over(&self) -> RpcResult<Option<RRefState>> {
        let count = self.calls.load(Ordering::SeqCst).to_le_bytes();
        let state = RRefSlice::try_from_slice(&count).ok().and_then(|bytes| {
            RRef::try_new(HandedState {
                format: FORMAT,
                version: VERSION,
                reserved: 0,
                bytes,
            })
            .ok()
        });
        Ok(state)
    }
}

impl Echo for Tally {
    fn null(&self) -> RpcResult<()> {
        Ok(())
    }

    fn reference(&self, object: RRef<u64>) -> RpcResult<RRef<u64>> {
        Ok(object)
    }

    fn batch(&self, batch: EchoBatch) -> RpcResult<EchoBatch> {
        Ok(batch)
    }

    /// Number of this call.
    fn slice(&self, _bytes: &[u8]) -> RpcResult<u64> {
        Ok(self.calls.fetch_add(1, Ordering::SeqCst) + 1)
    }
}
