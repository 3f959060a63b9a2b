//! From a PCI function to a driver at work.

use alloc::sync::Arc;

use hardware::{Interrupt, Mmio, PciFunction};
use runtime::{Options, StartError, log};

use crate::controller::STOP;
use crate::driver::Driver;
use crate::settings::{Settings, Waiting};

/// The driver of a controller on PCI.
pub type PciDriver = Driver<Mmio, PciFunction, Interrupt>;

/// Vector of the I/O queue where the controller has several; 0 is the admin
/// queue's, which is polled.
const IO_VECTOR: u32 = 1;

/// Starts the driver of the controller behind `function`.
///
/// # Errors
/// When an option cannot be used, or the controller cannot be started.
pub fn open(function: PciFunction, options: &Options) -> Result<PciDriver, StartError> {
    let settings = Settings::parse(options)?;
    let registers = function
        .map(0)
        .map_err(|_| StartError::new("no controller registers behind BAR 0"))?;
    if let Err(error) = function.set_stop(&STOP) {
        log::warn!("nvme: a restart will take a reset of the function: {error:?}");
    }
    let interrupt = match settings.waiting {
        Waiting::Polled => None,
        Waiting::Interrupt | Waiting::Adaptive => bind(&function),
    };
    Ok(Driver::start(
        registers,
        Arc::new(function),
        interrupt,
        settings,
    )?)
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
