//! A disk driver that starts and dies at its first read, to be rolled back.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::RpcResult;
use hardware::PciFunction;
use interfaces::block::{BlockBatch, BlockDevice, BlockError, Geometry};
use runtime::{HostFile, Options, StartError, domain};

/// What it was granted, and never uses.
struct Broken {
    _function: Option<PciFunction>,
    _file: Option<HostFile>,
}

/// Takes what a driver of either machine gets.
#[domain]
fn broken_disk(
    function: Option<PciFunction>,
    file: Option<HostFile>,
    options: Option<Options>,
) -> Result<Arc<dyn BlockDevice>, StartError> {
    let _ = options;
    Ok(Arc::new(Broken {
        _function: function,
        _file: file,
    }))
}

impl BlockDevice for Broken {
    fn geometry(&self) -> RpcResult<Geometry> {
        Ok(Geometry {
            sector_bytes: 512,
            max_sectors: 8,
            sectors: 8,
            queue_depth: 1,
            read_only: 0,
        })
    }

    fn read(&self, sector: u64, _into: &mut [u8]) -> RpcResult<Result<(), BlockError>> {
        panic!("asked for sector {sector}, which this image is not able to read")
    }

    fn write(&self, _sector: u64, _from: &[u8]) -> RpcResult<Result<(), BlockError>> {
        panic!("asked to write")
    }

    fn flush(&self) -> RpcResult<Result<(), BlockError>> {
        panic!("asked to flush")
    }

    fn submit(&self, _batch: BlockBatch) -> RpcResult<BlockBatch> {
        panic!("asked to submit")
    }

    fn poll(&self, _room: BlockBatch) -> RpcResult<BlockBatch> {
        panic!("asked to poll")
    }
}
