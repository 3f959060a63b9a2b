//! Devices as the kernel hands them to drivers.

/// Address of a PCI function, packed as `segment << 16 | bus << 8 | device << 3 | function`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct PciAddress(pub u32);

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
