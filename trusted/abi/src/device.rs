//! Devices as the kernel hands them to drivers.

/// Address of a PCI function, packed as `segment << 16 | bus << 8 | device << 3 | function`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct PciAddress(pub u32);

/// How long the device of a driver reaches what it was lent, where the machine has an
/// IOMMU. A manifest says it of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u32)]
pub enum DmaMode {
    /// A buffer stays within reach until it is freed, so that one that goes to and fro
    /// between a client and the driver costs nothing each time.
    #[default]
    Leased = 0,
    /// Until the driver has it back: each batch that the driver takes back is waited for.
    Strict = 1,
    /// All memory, always: nothing guards against the device.
    Open = 2,
}

impl DmaMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Leased, Self::Strict, Self::Open];

    /// The mode with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Leased,
            1 => Self::Strict,
            2 => Self::Open,
            _ => return None,
        })
    }
}

/// That the devices of one driver may use all of an object's pages, until it is freed.
///
/// From bit 42 on whose devices, by the number of [`crate::services::Services::pci_claim`];
/// from bit 1 on the number of the first page frame; bit 0: they may also write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Lease(pub u64);

impl Lease {
    /// Bits of a driver's number.
    pub const NUMBER_BITS: u32 = 22;
    const NUMBER_SHIFT: u32 = u64::BITS - Self::NUMBER_BITS;
    const PAGE_SHIFT: u32 = 12;
    const FRAME_BITS: u32 = 40;

    /// A lease of pages from the device address `address` on to a driver whose number is
    /// not 0.
    #[must_use]
    pub const fn new(number: u32, address: u64, is_written: bool) -> Self {
        let frame = address >> Self::PAGE_SHIFT & ((1 << Self::FRAME_BITS) - 1);
        Self((number as u64) << Self::NUMBER_SHIFT | frame << 1 | is_written as u64)
    }

    /// The device address of the first page, if the driver of this number has the lease.
    #[inline]
    #[must_use]
    pub const fn address(self, number: u32, is_written: bool) -> Option<u64> {
        let is_this = self.0 >> Self::NUMBER_SHIFT == number as u64;
        if !is_this || is_written && self.0 & 1 == 0 {
            return None;
        }
        Some((self.0 >> 1 & ((1 << Self::FRAME_BITS) - 1)) << Self::PAGE_SHIFT)
    }
}

/// Bits of what [`crate::services::Services::dma_open`] is told.
pub mod loan {
    /// The device writes, and may also read.
    pub const WRITTEN: u32 = 1;
    /// The bytes are an object of the exchange heap that the caller owns.
    pub const OBJECT: u32 = 1 << 1;
}

/// One base address register of a PCI function, decoded.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct PciBar {
    /// Physical address (memory) or port (I/O).
    pub address: u64,
    /// Bytes; 0: not present.
    pub size: u64,
    /// 1 for I/O ports.
    pub is_port: u32,
    /// Reserved.
    pub reserved: u32,
}

/// How a function is made to end all it does, by data: the kernel clears bits
/// of one register and waits until others show that the function has stopped.
/// From then on it must not touch memory until it is set up anew. A recipe that is
/// true before anything was cleared shows nothing: the function is reset instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct StopRecipe {
    /// Base address register that both lie behind.
    pub bar: u32,
    /// Offset of the 32-bit register to write.
    pub control: u32,
    /// Bits to clear in it.
    pub clear: u32,
    /// Offset of the 32-bit register to read.
    pub status: u32,
    /// Bits of it that tell.
    pub mask: u32,
    /// What they are once the function has stopped.
    pub value: u32,
}

/// What the kernel knows of a PCI function.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct PciInfo {
    /// Packed [`PciAddress`].
    pub address: u32,
    /// Vendor (low half) and device (high half).
    pub vendor_device: u32,
    /// Class, subclass, programming interface as `0x00ccsspp`.
    pub class: u32,
    /// Number of MSI-X vectors; 0: none.
    pub msix_vectors: u32,
    /// The six base address registers; the upper half of a 64-bit one is empty.
    pub bars: [PciBar; 6],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_one_drivers() {
        let most = (1 << Lease::NUMBER_BITS) - 1;
        let last = (1 << 52) - 4096;
        for (number, address) in [(1, 4096), (most, last), (7, 0x1_2345_6000)] {
            for is_written in [false, true] {
                let lease = Lease::new(number, address, is_written);
                assert_eq!(lease.address(number, false), Some(address));
                assert_eq!(lease.address(number, true), is_written.then_some(address));
                assert_eq!(lease.address(number - 1, false), None);
            }
        }
        assert_eq!(Lease(0).address(1, false), None);
    }
}
