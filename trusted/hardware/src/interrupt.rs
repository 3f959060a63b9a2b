//! Interrupts of a device, counted by the kernel and awaited by its driver.

use abi::status::{ServiceError, check};
use exchange::thread::services;

/// Something whose interrupts can be awaited.
pub trait InterruptLine {
    /// Waits until the number of interrupts since start differs from `seen`, at
    /// most until `deadline_ns`. The number, or `TimedOut`.
    ///
    /// # Errors
    /// `TimedOut`; `Interrupted` when the domain is ending.
    fn wait(&self, seen: u64, deadline_ns: u64) -> Result<u64, ServiceError>;
}

/// An interrupt bound to this domain.
#[derive(Debug)]
pub struct Interrupt {
    handle: u64,
}

impl Interrupt {
    pub(crate) const fn new(handle: u64) -> Self {
        Self { handle }
    }
}

impl InterruptLine for Interrupt {
    fn wait(&self, seen: u64, deadline_ns: u64) -> Result<u64, ServiceError> {
        // SAFETY: the handle came from binding an interrupt of a function this
        // domain has the capability for.
        let services = unsafe { services() };
        check((services.interrupt_wait)(self.handle, seen, deadline_ns))
    }
}
