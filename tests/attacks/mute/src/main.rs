//! A service that never answers its supervisor.
//!
//! It is a block device without blocks: the supervisor asks for its state when it is
//! replaced, reads from its successor, and flushes it when the system ends.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::hint::spin_loop;

use exchange::{Proxy, RpcResult};
use interfaces::block::{BlockBatch, BlockDevice, BlockError, Geometry};
use interfaces::succession::{RRefState, Stateful, Succession};
use runtime::thread;
use runtime::time::Instant;
use runtime::{Options, StartError, domain};

/// How it does not answer.
#[derive(Clone, Copy)]
enum Way {
    Loop,
    Sleep,
}

struct Mute(Way);

/// Option: `way`, "loop" or "sleep".
#[domain]
fn mute(
    succession: Proxy<dyn Succession>,
    options: Options,
) -> Result<Arc<dyn BlockDevice>, StartError> {
    let way = match options.required("way")? {
        "loop" => Way::Loop,
        "sleep" => Way::Sleep,
        other => return Err(StartError::new(format_args!("{other}: no way to be mute"))),
    };
    let stateful: Arc<dyn Stateful> = Arc::new(Mute(way));
    let stateful = Proxy::try_export(stateful).map_err(|_| StartError::new("no memory"))?;
    succession.offer(stateful)?;
    Ok(Arc::new(Mute(way)))
}

impl Mute {
    fn never_answer(&self) -> ! {
        loop {
            match self.0 {
                Way::Loop => spin_loop(),
                Way::Sleep => thread::sleep_until(Instant::NEVER),
            }
        }
    }
}

impl Stateful for Mute {
    fn hand_over(&self) -> RpcResult<Option<RRefState>> {
        self.never_answer()
    }
}

impl BlockDevice for Mute {
    fn geometry(&self) -> RpcResult<Geometry> {
        self.never_answer()
    }

    fn read(&self, _sector: u64, _into: &mut [u8]) -> RpcResult<Result<(), BlockError>> {
        self.never_answer()
    }

    fn write(&self, _sector: u64, _from: &[u8]) -> RpcResult<Result<(), BlockError>> {
        self.never_answer()
    }

    fn flush(&self) -> RpcResult<Result<(), BlockError>> {
        self.never_answer()
    }

    fn submit(&self, batch: BlockBatch) -> RpcResult<BlockBatch> {
        Ok(batch)
    }

    fn poll(&self, room: BlockBatch) -> RpcResult<BlockBatch> {
        Ok(room)
    }
}
