//! A service that never answers its supervisor.
//!
//! It is a block device without blocks: the supervisor asks for its state when it is
//! replaced, reads from its successor, and flushes it when the system ends. Or its start
//! does not end, and what the supervisor waits for is that.
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Loop,
    Sleep,
    /// As `Sleep`, but the end of the system.
    Patient,
}

struct Mute(Way);

/// Options: `way`, "loop", "sleep" or "patient"; `start`, "loop", "sleep" or "call", which
/// is of `device`.
#[domain]
fn mute(
    succession: Option<Proxy<dyn Succession>>,
    device: Option<Proxy<dyn BlockDevice>>,
    options: Options,
) -> Result<Arc<dyn BlockDevice>, StartError> {
    match (options.text("start"), device) {
        (None, _) => {}
        (Some("loop"), _) => Mute(Way::Loop).never_answer(),
        (Some("sleep"), _) => Mute(Way::Sleep).never_answer(),
        (Some("call"), Some(device)) => drop(device.geometry()?),
        _ => return Err(StartError::new("no way to be mute at the start")),
    }
    let way = match options.required("way")? {
        "loop" => Way::Loop,
        "sleep" => Way::Sleep,
        "patient" => Way::Patient,
        other => return Err(StartError::new(format_args!("{other}: no way to be mute"))),
    };
    let Some(succession) = succession else {
        return Ok(Arc::new(Mute(way)));
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
                Way::Sleep | Way::Patient => thread::sleep_until(Instant::NEVER),
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
        if self.0 == Way::Patient {
            return Ok(Ok(()));
        }
        self.never_answer()
    }

    fn submit(&self, batch: BlockBatch) -> RpcResult<BlockBatch> {
        Ok(batch)
    }

    fn poll(&self, room: BlockBatch) -> RpcResult<BlockBatch> {
        Ok(room)
    }
}
