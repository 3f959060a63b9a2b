//! What drivers may touch: PCI functions, registers, interrupts, DMA memory.
//!
//! A driver is safe Rust. It is handed a [`PciFunction`] when it
//! starts, and reaches everything else through it: [`Mmio`] registers
//! behind a base address register, an [`Interrupt`], memory the device shares
//! ([`DmaRegion`]), and buffers the device fills or empties in place ([`Lent`]
//! for the length of a call, [`InFlight`] for as long as a request lasts). Where an IOMMU
//! guards the device, it has exchange objects with pages of their own in place, and a copy
//! of anything else.
//!
//! Driver logic is written against the traits [`Registers`], [`Platform`] and
//! [`InterruptLine`], so that the same code drives a modelled device in a test
//! on the host (feature `host`, `host::HostMemory`).
//!
//! **What this crate cannot promise:** a device writes where its driver tells
//! it to. Types keep a buffer out of everybody's hands while the device has it,
//! but that the driver passes *these* addresses and no others, and calls
//! `finish` only when the device is done, is the driver's word unless an IOMMU keeps
//! the device to what was lent; see `docs/threat-model.md`.
#![no_std]

#[cfg(all(redleaf_image, feature = "host"))]
compile_error!("feature `host` is for tests on the host; an image must not enable it");

extern crate alloc;
#[cfg(any(test, feature = "host"))]
extern crate std;

use alloc::sync::Arc;

mod bounce;
mod closing;
mod dma;
#[cfg(any(test, feature = "host"))]
pub mod host;
mod interrupt;
mod mmio;
mod pci;
#[cfg(test)]
mod tests;
mod transfer;

pub use abi::device::{DmaMode, StopRecipe};
pub use abi::status::ServiceError;
pub use bounce::BouncePool;
pub use closing::{Closing, Closings};
pub use dma::DmaRegion;
pub use interrupt::{Interrupt, InterruptLine};
pub use mmio::{Mmio, Registers};
pub use pci::PciFunction;
pub use transfer::{
    Direction, FromDevice, InFlight, Lent, Loan, NoBounce, PageRun, Place, Returned, ToDevice,
    Towards,
};

mod sealed {
    /// Who implements [`super::Platform`]: a driver that did could keep its device's
    /// loans open ([`super::Platform::close`]). On the host models may.
    pub trait Sealed {}

    #[cfg(any(test, feature = "host"))]
    impl<T: ?Sized> Sealed for T {}

    #[cfg(not(any(test, feature = "host")))]
    impl Sealed for crate::PciFunction {}

    #[cfg(not(any(test, feature = "host")))]
    impl<P: Sealed + ?Sized> Sealed for alloc::sync::Arc<P> {}
}

/// What driver logic asks of the machine besides its device's registers. In an image only
/// this crate implements it.
pub trait Platform: sealed::Sealed {
    /// Zeroed, physically contiguous, page-aligned memory to share with the
    /// device. `None`: there is none.
    fn allocate(&self, pages: usize) -> Option<DmaRegion>;

    /// As [`Platform::allocate`], for what the device alone writes once it runs,
    /// such as completion queues: a test may write nonsense there in its stead.
    fn allocate_inbound(&self, pages: usize) -> Option<DmaRegion> {
        self.allocate(pages)
    }

    /// Physical address of a byte. It holds to the end of the byte's page; for
    /// exchange objects, to the end of the object. `None`: not mapped, or an IOMMU
    /// keeps the device away from it.
    fn physical_address(&self, byte: Place) -> Option<u64>;

    /// A device is about to use these bytes; the device address of the first, if it may.
    /// An IOMMU lets it from now
    /// on if they are all of the pages of an exchange object, which hold nothing else.
    /// What it may not use is copied ([`Platform::bounces`]).
    fn open(&self, loan: &Loan) -> Option<u64> {
        self.physical_address(loan.start())
    }

    /// Memory for what is copied.
    fn bounces(&self) -> &BouncePool;

    /// The device is done with these bytes. If it is to be kept away from them before
    /// they are freed, that is to be waited for.
    fn close(&self, loan: &Loan) -> Option<Closing> {
        let _ = loan;
        None
    }

    /// Waits until no device reaches what was closed. One wait is for all closings
    /// before it.
    fn settle(&self, closing: Closing) {
        let _ = closing;
    }

    /// Monotonic nanoseconds.
    fn now_ns(&self) -> u64;

    /// Lets other threads run until the clock shows `deadline_ns`.
    fn sleep_until(&self, deadline_ns: u64);

    /// CPUs that run threads, numbered from 0.
    fn cpu_count(&self) -> usize {
        1
    }

    /// The CPU this runs on. It may have changed on return.
    fn current_cpu(&self) -> usize {
        0
    }
}

impl<P: Platform + ?Sized> Platform for Arc<P> {
    fn allocate(&self, pages: usize) -> Option<DmaRegion> {
        (**self).allocate(pages)
    }

    fn allocate_inbound(&self, pages: usize) -> Option<DmaRegion> {
        (**self).allocate_inbound(pages)
    }

    #[inline]
    fn physical_address(&self, byte: Place) -> Option<u64> {
        (**self).physical_address(byte)
    }

    #[inline]
    fn open(&self, loan: &Loan) -> Option<u64> {
        (**self).open(loan)
    }

    fn bounces(&self) -> &BouncePool {
        (**self).bounces()
    }

    #[inline]
    fn close(&self, loan: &Loan) -> Option<Closing> {
        (**self).close(loan)
    }

    fn settle(&self, closing: Closing) {
        (**self).settle(closing);
    }

    fn now_ns(&self) -> u64 {
        (**self).now_ns()
    }

    fn sleep_until(&self, deadline_ns: u64) {
        (**self).sleep_until(deadline_ns);
    }

    fn cpu_count(&self) -> usize {
        (**self).cpu_count()
    }

    #[inline]
    fn current_cpu(&self) -> usize {
        (**self).current_cpu()
    }
}
