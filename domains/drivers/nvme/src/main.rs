//! The NVMe driver domain: one controller behind the block interface.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::RpcResult;
use hardware::PciFunction;
use interfaces::block::{BlockBatch, BlockDevice, BlockError, Geometry};
use nvme::PciDriver;
use runtime::{Options, StartError, domain, log};

struct Nvme(PciDriver);

#[domain]
fn nvme(function: PciFunction, options: Options) -> Result<Arc<dyn BlockDevice>, StartError> {
    let driver = nvme::open(function, &options)?;
    let geometry = driver.geometry();
    log::info!(
        "nvme: {} sectors of {} bytes, {} at once, queue depth {} on {} queue(s), {} interrupt(s)",
        geometry.sectors,
        geometry.sector_bytes,
        geometry.max_sectors,
        geometry.queue_depth,
        driver.queues(),
        driver.interrupts()
    );
    Ok(Arc::new(Nvme(driver)))
}

impl BlockDevice for Nvme {
    fn geometry(&self) -> RpcResult<Geometry> {
        Ok(self.0.geometry())
    }

    fn read(&self, sector: u64, into: &mut [u8]) -> RpcResult<Result<(), BlockError>> {
        Ok(self.0.read(sector, into))
    }

    fn write(&self, sector: u64, from: &[u8]) -> RpcResult<Result<(), BlockError>> {
        Ok(self.0.write(sector, from))
    }

    fn flush(&self) -> RpcResult<Result<(), BlockError>> {
        Ok(self.0.flush())
    }

    fn submit(&self, batch: BlockBatch) -> RpcResult<BlockBatch> {
        Ok(self.0.submit(batch))
    }

    fn poll(&self, room: BlockBatch) -> RpcResult<BlockBatch> {
        Ok(self.0.poll(room))
    }
}
