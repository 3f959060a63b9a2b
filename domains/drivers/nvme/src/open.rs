//! From a PCI function to a driver at work.

use alloc::sync::Arc;

use hardware::{Interrupt, Mmio, PciFunction, Platform};
use runtime::{Options, StartError, log};

use crate::controller::STOP;
use crate::driver::Driver;
use crate::settings::{Settings, Waiting};

/// The driver of a controller on PCI.
pub type PciDriver = Driver<Mmio, PciFunction, Interrupt>;

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
    let function = Arc::new(function);
    let interrupts = Arc::clone(&function);
    let bind = |lane| match settings.waiting {
        Waiting::Polled => None,
        Waiting::Interrupt | Waiting::Adaptive => bind(&interrupts, lane),
    };
    Ok(Driver::start(registers, function, bind, settings)?)
}

/// Binds the interrupt of a lane and names its vector. Without one its threads
/// poll.
fn bind(function: &PciFunction, lane: usize) -> Option<(Interrupt, u16)> {
    let vector = vector(lane, function.cpu_count(), function.info().msix_vectors);
    match function.interrupt(vector.into()) {
        Ok(interrupt) => Some((interrupt, vector)),
        Err(error) => {
            log::warn!("nvme: no interrupt ({error:?}); polling");
            None
        }
    }
}

/// Vector of a lane where there are `vectors`: one that goes to the lane's own
/// CPU. Vector 0 is the admin queue's, which is polled.
fn vector(lane: usize, cpus: usize, vectors: u32) -> u16 {
    let (first, rest) = (
        usize::from(vectors > 1),
        (vectors as usize).saturating_sub(1).max(1),
    );
    let own = if lane == 0 { cpus } else { lane };
    (first + (own - 1) % rest) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_interrupts_its_cpu_if_there_are_enough_vectors() {
        for cpus in 1..=8 {
            for lane in 0..cpus {
                assert_eq!(usize::from(vector(lane, cpus, 65)) % cpus, lane);
                assert_ne!(vector(lane, cpus, 65), 0);
            }
        }
    }

    #[test]
    fn vectors_are_shared_where_they_are_few() {
        assert_eq!([0, 1, 2, 3].map(|lane| vector(lane, 4, 3)), [2, 1, 2, 1]);
        assert_eq!([0, 1].map(|lane| vector(lane, 2, 2)), [1, 1]);
        assert_eq!([0, 1].map(|lane| vector(lane, 2, 1)), [0, 0]);
        assert_eq!([0, 1].map(|lane| vector(lane, 2, 0)), [0, 0]);
    }
}
