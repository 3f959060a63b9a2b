//! Measures the NVMe driver linked into the domain that uses it: no crossing.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

use bench_block::{Target, failed};
use exchange::Proxy;
use hardware::PciFunction;
use interfaces::block::{BlockBatch, Geometry};
use interfaces::supervisor::Supervisor;
use nvme::PciDriver;
use runtime::{Options, StartError, domain};

struct Linked(PciDriver);

/// Starts the driver with the options of its domain, measures, reports and
/// powers off. Option: `rounds`, 100 unless given, as for `bench-block`.
#[domain]
fn bench_driver(
    function: PciFunction,
    driver: Options,
    supervisor: Proxy<dyn Supervisor>,
    options: Options,
) -> Result<(), StartError> {
    let rounds = usize::try_from(options.number("rounds", 100)?)?;
    let device = Linked(nvme::open(function, &driver)?);
    bench_block::measure(device, ", in the driver's domain", rounds, None)?;
    // The system ends now; there is nobody to tell if it does not.
    let _ = supervisor.power_off(0);
    Ok(())
}

impl Target for Linked {
    fn geometry(&self) -> Result<Geometry, StartError> {
        Ok(self.0.geometry())
    }

    #[inline]
    fn read(&self, sector: u64, into: &mut [u8]) -> Result<(), StartError> {
        self.0.read(sector, into).map_err(failed)
    }

    #[inline]
    fn write(&self, sector: u64, from: &[u8]) -> Result<(), StartError> {
        self.0.write(sector, from).map_err(failed)
    }

    #[inline]
    fn submit(&self, batch: BlockBatch) -> Result<BlockBatch, StartError> {
        Ok(self.0.submit(batch))
    }

    #[inline]
    fn poll(&self, room: BlockBatch) -> Result<BlockBatch, StartError> {
        Ok(self.0.poll(room))
    }
}
