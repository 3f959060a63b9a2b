//! PCI functions: found, handed to one driver each, silenced when it dies.
//!
//! Drivers never touch configuration space. The kernel enumerates functions
//! at boot, turns memory access and bus mastering on for the domain that
//! claims one, programs its interrupts, and takes everything back when the
//! domain dies: [`release_all`] ends bus mastering *before* the memory the
//! device may still write to is reclaimed, then resets the function.
//!
//! The logic ([`Bus`], [`function`], [`scan`]) works on any [`ConfigSpace`] and
//! is tested on the host; this file binds it to the machine.

pub mod function;
pub mod registers;
pub mod scan;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::ops::Range;

use abi::device::{PciAddress, PciBar, PciInfo};
use abi::status::ServiceError;

use self::function::Function;
use crate::machine::Machine;
use crate::sync::SpinLock;

/// Access to configuration space, and a clock for the waits of the standard.
pub trait ConfigSpace {
    /// Reads a 32-bit register; all ones where there is no function.
    fn read(&self, address: PciAddress, register: u16) -> u32;
    /// Writes a 32-bit register.
    fn write(&self, address: PciAddress, register: u16, value: u32);
    /// Monotonic nanoseconds.
    fn now_ns(&self) -> u64;
}

impl ConfigSpace for &'static dyn Machine {
    fn read(&self, address: PciAddress, register: u16) -> u32 {
        self.pci_read(address, register)
    }

    fn write(&self, address: PciAddress, register: u16, value: u32) {
        self.pci_write(address, register, value);
    }

    fn now_ns(&self) -> u64 {
        Machine::now_ns(*self)
    }
}

/// How a function interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterruptSource {
    /// By MSI-X: the physical address and size of its table, to be mapped for
    /// [`bind_msix`].
    Msix {
        /// Physical address of the table.
        table: u64,
        /// Bytes of the table.
        bytes: usize,
    },
    /// By its single MSI, see [`bind_msi`].
    Msi,
    /// By this legacy line, see [`enable_line`]. Lines may be shared.
    Line(u8),
}

/// Why a function could not be claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimError {
    /// Its reset lasts until this time; claim it again then.
    Resetting {
        /// Monotonic nanoseconds.
        until_ns: u64,
    },
    /// It cannot be claimed at all.
    Service(ServiceError),
}

/// Every function of a machine, and who drives it.
#[derive(Debug)]
pub struct Bus<S> {
    space: S,
    functions: Vec<Function>,
    /// Whether functions may interrupt by messages.
    has_messages: bool,
}

impl<S: ConfigSpace> Bus<S> {
    /// Finds the functions on the buses 0 to `last_bus`.
    pub fn new(space: S, last_bus: u8) -> Self {
        let functions = scan::functions(&space, last_bus);
        Self {
            space,
            functions,
            has_messages: true,
        }
    }

    /// Makes functions interrupt by their lines only.
    pub fn forgo_messages(&mut self) {
        self.has_messages = false;
        for function in &mut self.functions {
            function.info.msix_vectors = 0;
        }
    }

    /// Gives addresses out of `window` to memory BARs that have none, as on
    /// machines without firmware. BARs that do not fit stay unassigned.
    pub fn assign(&mut self, window: Range<u64>) {
        let mut next = window.start;
        for function in &mut self.functions {
            for index in 0..6 {
                let bar = function.info.bars[index];
                if bar.size == 0 || bar.is_port != 0 || bar.address != 0 {
                    continue;
                }
                // BARs are powers of two and naturally aligned; whole pages
                // keep one driver's registers out of another's mapping.
                let size = bar.size.max(abi::PAGE_SIZE as u64);
                let start = next.next_multiple_of(size);
                if start.checked_add(size).is_some_and(|end| end <= window.end) {
                    function.assign_bar(&self.space, index, start);
                    next = start + size;
                }
            }
        }
    }

    /// The `index`-th function.
    #[must_use]
    pub fn list(&self, index: usize) -> Option<PciInfo> {
        self.functions.get(index).map(|function| function.info)
    }

    fn find(&mut self, address: u32) -> Result<(&S, &mut Function), ServiceError> {
        let found = self
            .functions
            .iter_mut()
            .find(|function| function.info.address == address);
        Ok((&self.space, found.ok_or(ServiceError::NotFound)?))
    }

    fn owned(&mut self, address: u32, owner: u64) -> Result<(&S, &mut Function), ServiceError> {
        let (space, function) = self.find(address)?;
        if function.owner != owner {
            return Err(ServiceError::Invalid);
        }
        Ok((space, function))
    }

    /// Makes `owner` the driver of a function; again is fine.
    ///
    /// # Errors
    /// `Busy` while another domain drives it; [`ClaimError::Resetting`] while
    /// the reset after its last driver lasts.
    pub fn claim(&mut self, address: u32, owner: u64) -> Result<(), ClaimError> {
        let (space, function) = self.find(address).map_err(ClaimError::Service)?;
        if function.owner == owner {
            return Ok(());
        }
        if function.owner != 0 {
            return Err(ClaimError::Service(ServiceError::Busy));
        }
        function
            .finish_reset(space)
            .map_err(|until_ns| ClaimError::Resetting { until_ns })?;
        function.take(space, owner).map_err(ClaimError::Service)
    }

    /// Silences every function `owner` drives, and resets those that `stop`
    /// does not stop; how many.
    pub fn release_all(&mut self, owner: u64, stop: &mut dyn FnMut(u32) -> bool) -> usize {
        let mut released = 0;
        for function in &mut self.functions {
            if owner != 0 && function.owner == owner {
                function.quiesce(&self.space, stop);
                released += 1;
            }
        }
        released
    }

    /// Reads a configuration register of a function that `owner` drives.
    ///
    /// # Errors
    /// `Invalid` for a register out of range or another's function.
    pub fn read_register(
        &mut self,
        address: u32,
        owner: u64,
        register: u32,
    ) -> Result<u32, ServiceError> {
        let (space, _) = self.owned(address, owner)?;
        if !register.is_multiple_of(4) || register >= 4096 {
            return Err(ServiceError::Invalid);
        }
        Ok(space.read(PciAddress(address), register as u16))
    }

    /// A base address register of a function that `owner` drives.
    ///
    /// # Errors
    /// `NotFound` where there is none, or none with an address.
    pub fn bar(&mut self, address: u32, owner: u64, index: u32) -> Result<PciBar, ServiceError> {
        let (_, function) = self.owned(address, owner)?;
        let bar = function.bar(index).ok_or(ServiceError::NotFound)?;
        if bar.address == 0 {
            return Err(ServiceError::NotFound);
        }
        Ok(bar)
    }

    /// A memory BAR of a function that `owner` drives, and the pages that are not
    /// mapped for it: see [`Function::closed`].
    ///
    /// # Errors
    /// As [`Bus::bar`]; `Invalid` for a port BAR, and for one of which another function
    /// has a page.
    pub fn registers(
        &mut self,
        address: u32,
        owner: u64,
        index: u32,
    ) -> Result<(PciBar, [Range<u64>; 2]), ServiceError> {
        let bar = self.bar(address, owner, index)?;
        let pages = function::whole_pages(bar.address, bar.size);
        let is_shared =
            |function: &Function| function.info.address != address && function.answers_in(&pages);
        if bar.is_port != 0 || self.functions.iter().any(is_shared) {
            return Err(ServiceError::Invalid);
        }
        let (_, function) = self.owned(address, owner)?;
        Ok((bar, function.closed()))
    }

    /// How a function that `owner` drives interrupts.
    ///
    /// # Errors
    /// `Unsupported` if it does not.
    pub fn interrupt_source(
        &mut self,
        address: u32,
        owner: u64,
    ) -> Result<InterruptSource, ServiceError> {
        let has_messages = self.has_messages;
        let (_, function) = self.owned(address, owner)?;
        let messages = has_messages.then(|| function.message_source()).flatten();
        messages
            .or_else(|| function.line_source())
            .ok_or(ServiceError::Unsupported)
    }
}

static PCI: SpinLock<Option<Bus<&'static dyn Machine>>> = SpinLock::new(None);

/// Finds the machine's functions, once at boot. Without `has_messages` they
/// interrupt by their lines only.
pub fn init(machine: &'static dyn Machine, has_messages: bool) {
    let Some(last_bus) = machine.pci_last_bus() else {
        return;
    };
    let mut bus = Bus::new(machine, last_bus);
    if let Some(window) = machine.pci_window() {
        bus.assign(window);
    }
    if !has_messages {
        log::info!("pci: devices interrupt by their lines");
        bus.forgo_messages();
    }
    *PCI.lock() = Some(bus);
}

fn with<T>(
    job: impl FnOnce(&mut Bus<&'static dyn Machine>) -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    PCI.lock().as_mut().map_or(Err(ServiceError::NotFound), job)
}

/// The `index`-th function, if there are so many.
#[must_use]
pub fn list(index: usize) -> Option<PciInfo> {
    PCI.lock().as_ref()?.list(index)
}

/// See [`Bus::claim`]. The caller sleeps on [`ClaimError::Resetting`].
///
/// # Errors
/// [`ClaimError`].
pub fn claim(address: u32, owner: u64) -> Result<(), ClaimError> {
    let missing = Err(ClaimError::Service(ServiceError::NotFound));
    let mut pci = PCI.lock();
    pci.as_mut()
        .map_or(missing, |bus| bus.claim(address, owner))
}

/// Silences every function `owner` drives, and resets those that `stop` (given
/// the address) does not stop; how many. When it returns none of them writes to
/// memory or interrupts any more.
pub fn release_all(owner: u64, stop: &mut dyn FnMut(u32) -> bool) -> usize {
    PCI.lock()
        .as_mut()
        .map_or(0, |bus| bus.release_all(owner, stop))
}

/// See [`Bus::read_register`].
///
/// # Errors
/// As there.
pub fn read_register(address: u32, owner: u64, register: u32) -> Result<u32, ServiceError> {
    with(|bus| bus.read_register(address, owner, register))
}

/// See [`Bus::bar`].
///
/// # Errors
/// As there.
pub fn bar(address: u32, owner: u64, index: u32) -> Result<PciBar, ServiceError> {
    with(|bus| bus.bar(address, owner, index))
}

/// See [`Bus::registers`].
///
/// # Errors
/// As there.
pub fn registers(
    address: u32,
    owner: u64,
    index: u32,
) -> Result<(PciBar, [Range<u64>; 2]), ServiceError> {
    with(|bus| bus.registers(address, owner, index))
}

/// See [`Bus::interrupt_source`].
///
/// # Errors
/// As there.
pub fn interrupt_source(address: u32, owner: u64) -> Result<InterruptSource, ServiceError> {
    with(|bus| bus.interrupt_source(address, owner))
}

/// Sends MSI-X vector `index` as `message` (address, data). `table` stores 32
/// bits at a byte offset of the mapped MSI-X table.
///
/// # Errors
/// `Invalid` for a vector out of range, `Unsupported` without MSI-X.
pub fn bind_msix(
    address: u32,
    owner: u64,
    index: u32,
    message: (u64, u32),
    table: &mut dyn FnMut(usize, u32),
) -> Result<(), ServiceError> {
    with(|bus| {
        let (space, function) = bus.owned(address, owner)?;
        function.bind_msix(space, index, message, table)
    })
}

/// Sends the function's single MSI as `message` (address, data).
///
/// # Errors
/// `Unsupported` without MSI, or when the address does not fit.
pub fn bind_msi(address: u32, owner: u64, message: (u64, u32)) -> Result<(), ServiceError> {
    with(|bus| {
        let (space, function) = bus.owned(address, owner)?;
        function.bind_msi(space, message)
    })
}

/// Lets the function assert its legacy interrupt.
///
/// # Errors
/// `Invalid` if `owner` does not drive it.
pub fn enable_line(address: u32, owner: u64) -> Result<(), ServiceError> {
    with(|bus| {
        let (space, function) = bus.owned(address, owner)?;
        function.enable_line(space);
        Ok(())
    })
}
