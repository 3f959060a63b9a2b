//! The NVMe driver domain: one controller behind the block interface.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::RpcResult;
use hardware::{Interrupt, Mmio, PciFunction};
use interfaces::block::{BlockBatch, BlockDevice, BlockError, Geometry};
use nvme::driver::Driver;
use nvme::settings::{Settings, Waiting};
use runtime::{Options, StartError, domain, log};

/// Vector of the I/O queue where the controller has several; 0 is the admin
/// queue's, which is polled.
const IO_VECTOR: u32 = 1;

struct Nvme(Driver<Mmio, PciFunction, Interrupt>);

#[domain]
fn nvme(function: PciFunction, options: Options) -> Result<Arc<dyn BlockDevice>, StartError> {
    let settings = Settings::parse(&options)?;
    let registers = function
        .map(0)
        .map_err(|_| StartError::new("no controller registers behind BAR 0"))?;
    let interrupt = match settings.waiting {
        Waiting::Polled => None,
        Waiting::Interrupt | Waiting::Adaptive => bind(&function),
    };
    let driver = Driver::start(registers, Arc::new(function), interrupt, settings)?;
    let geometry = driver.geometry();
    log::info!(
        "nvme: {} sectors of {} bytes, {} at once, queue depth {}",
        geometry.sectors,
        geometry.sector_bytes,
        geometry.max_sectors,
        geometry.queue_depth
    );
    Ok(Arc::new(Nvme(driver)))
}

/// Binds an interrupt and names its vector. Without one the driver polls.
fn bind(function: &PciFunction) -> Option<(Interrupt, u16)> {
    let vector = if function.info().msix_vectors > IO_VECTOR {
        IO_VECTOR
    } else {
        0
    };
    match function.interrupt(vector) {
        Ok(interrupt) => Some((interrupt, vector as u16)),
        Err(error) => {
            log::warn!("nvme: no interrupt ({error:?}); polling");
            None
        }
    }
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
