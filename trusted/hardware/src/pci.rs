//! `PciFunction`: the capability to drive one function of a PCI device.

use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;

use abi::PAGE_SIZE;
use abi::device::{DmaMode, PciInfo, StopRecipe};
use abi::grant::{Grant, GrantKind};
use abi::status::{ServiceError, check};
use exchange::thread::services;
use runtime::StartError;
use runtime::entry::FromGrant;

use crate::{BouncePool, Closing, Closings, DmaRegion, Interrupt, Loan, Mmio, Place, Platform};

/// A PCI function that this domain, and no other, drives.
///
/// When the domain ends the kernel turns the function's bus mastering off and
/// resets it, before it reclaims any memory.
#[derive(Debug)]
pub struct PciFunction {
    info: PciInfo,
    /// How an IOMMU guards against it.
    mode: DmaMode,
    /// The driver's, in leases.
    number: u32,
    bounces: BouncePool,
    closings: Closings,
}

impl PciFunction {
    /// Claims the function: memory access and bus mastering go on.
    ///
    /// # Errors
    /// `NotFound` when there is no such function, `Busy` while another domain
    /// drives it.
    pub(crate) fn claim(address: u32) -> Result<Self, ServiceError> {
        let info = find(address)?;
        // SAFETY: the caller decoded a grant for this function.
        let services = unsafe { services() };
        let answer = check((services.pci_claim)(address))?;
        let mode = DmaMode::from_number(answer & 0xff);
        Ok(Self {
            info,
            mode: mode.ok_or(ServiceError::Invalid)?,
            number: (answer >> 8) as u32,
            bounces: BouncePool::new(),
            closings: Closings::new(),
        })
    }

    /// What the function is, and its base address registers.
    #[must_use]
    pub const fn info(&self) -> &PciInfo {
        &self.info
    }

    /// Reads a 32-bit configuration register; `register` is a multiple of 4.
    ///
    /// # Errors
    /// `Invalid` outside configuration space.
    pub fn read_register(&self, register: u32) -> Result<u32, ServiceError> {
        // SAFETY: holding `self` is the right to read this function.
        let services = unsafe { services() };
        let value = check((services.pci_read)(self.info.address, register))?;
        Ok(value as u32)
    }

    /// Maps the registers behind base address register `index`.
    ///
    /// # Errors
    /// `NotFound` where there are none.
    pub fn map(&self, index: u32) -> Result<Mmio, ServiceError> {
        let bar = self.info.bars.get(index as usize);
        let bytes = bar.map_or(0, |bar| bar.size) as usize;
        // SAFETY: holding `self` is the right to use this function.
        let services = unsafe { services() };
        let start = NonNull::new((services.pci_map_bar)(self.info.address, index));
        match start {
            // SAFETY: the kernel mapped the whole BAR, whose size it reported,
            // uncached and until the domain ends.
            Some(start) if bytes != 0 => Ok(unsafe { Mmio::new(start, bytes) }),
            _ => Err(ServiceError::NotFound),
        }
    }

    /// Says how the function is stopped when this driver dies, instead of by a
    /// reset that takes 100 ms. See [`StopRecipe`] for what it must promise.
    ///
    /// # Errors
    /// `Invalid` for registers that are not mapped, and for a recipe that says nothing.
    pub fn set_stop(&self, recipe: &StopRecipe) -> Result<(), ServiceError> {
        // SAFETY: holding `self` is the right to use this function; the recipe
        // is valid for the call.
        check(unsafe { (services().pci_set_stop)(self.info.address, recipe) }).map(drop)
    }

    /// Binds the function's interrupt vector `index`. It goes to the CPU of that
    /// number modulo the number of CPUs.
    ///
    /// # Errors
    /// `Invalid` for a vector it does not have, `NoMemory` when the machine has
    /// no vector left, `Unsupported` when it cannot interrupt.
    pub fn interrupt(&self, index: u32) -> Result<Interrupt, ServiceError> {
        // SAFETY: holding `self` is the right to use this function.
        let services = unsafe { services() };
        check((services.interrupt_bind)(self.info.address, index)).map(Interrupt::new)
    }
}

// SAFETY: the grant stands for this one function.
unsafe impl FromGrant for PciFunction {
    const KIND: GrantKind = GrantKind::PciFunction;

    unsafe fn from_grant(grant: &Grant) -> Result<Self, StartError> {
        let address = u32::try_from(grant.first)
            .map_err(|_| StartError::new("the kernel passed a malformed PCI address"))?;
        Self::claim(address).map_err(|error| {
            let reason = match error {
                ServiceError::NotFound => "there is no such function",
                ServiceError::Busy => "another domain drives it",
                _ => "it does not answer",
            };
            StartError::new(format_args!("PCI function {address:#06x}: {reason}"))
        })
    }
}

/// Looks a function up in the kernel's list.
fn find(address: u32) -> Result<PciInfo, ServiceError> {
    // SAFETY: the list tells what exists and gives no access.
    let services = unsafe { services() };
    for index in 0.. {
        let mut info = PciInfo::default();
        // SAFETY: `info` is valid for the call.
        check(unsafe { (services.pci_list)(index, &raw mut info) })?;
        if info.address == address {
            return Ok(info);
        }
    }
    Err(ServiceError::NotFound)
}

impl PciFunction {
    fn region(&self, pages: usize, is_inbound: bool) -> Option<DmaRegion> {
        // SAFETY: holding a function is the right to memory for it.
        let services = unsafe { services() };
        let start = NonNull::new((services.dma_allocate)(pages, is_inbound.into()))?;
        let physical = self.physical_address(Place(start.as_ptr()))?;
        let words = NonNull::slice_from_raw_parts(start.cast(), pages * PAGE_SIZE / 8);
        // SAFETY: the pages are ours alone until the domain ends (they are never
        // freed before), zeroed, page-aligned; atomics may be changed by a device.
        let words: &'static [AtomicU64] = unsafe { words.as_ref() };
        Some(DmaRegion::new(words, physical))
    }
}

impl Platform for PciFunction {
    fn allocate(&self, pages: usize) -> Option<DmaRegion> {
        self.region(pages, false)
    }

    fn allocate_inbound(&self, pages: usize) -> Option<DmaRegion> {
        self.region(pages, true)
    }

    #[inline]
    fn physical_address(&self, byte: Place) -> Option<u64> {
        // SAFETY: holding a function is the right to learn addresses for it.
        let services = unsafe { services() };
        match (services.physical_address)(byte.0) {
            0 => None,
            address => Some(address),
        }
    }

    #[inline]
    fn open(&self, loan: &Loan) -> Option<u64> {
        if let Some(address) = loan.leased(self.number) {
            return Some(address);
        }
        if self.mode == DmaMode::Open && !loan.is_object() {
            return self.physical_address(loan.start());
        }
        // SAFETY: holding a function is the right to lend memory to it, and a loan is of
        // bytes that somebody gave away for it.
        let services = unsafe { services() };
        check((services.dma_open)(
            loan.start().0,
            loan.bytes(),
            loan.how(),
        ))
        .ok()
    }

    #[inline]
    fn close(&self, loan: &Loan) -> Option<Closing> {
        if self.mode != DmaMode::Strict {
            return None;
        }
        // SAFETY: holding a function is the right to lend memory to it.
        let services = unsafe { services() };
        (services.dma_close)(loan.start().0, loan.bytes());
        Some(self.closings.note())
    }

    /// # Panics
    /// If the IOMMU does not answer: the device may reach memory of others.
    fn settle(&self, closing: Closing) {
        self.closings.settle(closing, || {
            // SAFETY: holding a function is the right to lend memory to it.
            let services = unsafe { services() };
            let forgotten = check((services.dma_forget)());
            assert!(forgotten.is_ok(), "the IOMMU does not answer");
        });
    }

    fn bounces(&self) -> &BouncePool {
        &self.bounces
    }

    fn now_ns(&self) -> u64 {
        // SAFETY: the clock needs no capability.
        (unsafe { services() }.clock_ns)()
    }

    fn sleep_until(&self, deadline_ns: u64) {
        // SAFETY: sleeping needs no capability. Waking early is allowed.
        let _ = (unsafe { services() }.sleep_until)(deadline_ns);
    }

    fn cpu_count(&self) -> usize {
        runtime::thread::cpu_count() as usize
    }

    #[inline]
    fn current_cpu(&self) -> usize {
        runtime::thread::current_cpu() as usize
    }
}
