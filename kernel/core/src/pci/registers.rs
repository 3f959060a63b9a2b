//! PCI configuration registers, by the PCI Express Base Specification 5.0.

/// Vendor and device ID (7.5.1.1.1, 7.5.1.1.2), read-only.
pub const ID: u16 = 0x00;
/// Command (7.5.1.1.3, low half) and status (7.5.1.1.4, high half).
pub const COMMAND_STATUS: u16 = 0x04;
/// Revision ID and class code (7.5.1.1.5, 7.5.1.1.6), read-only.
pub const CLASS_REVISION: u16 = 0x08;
/// Cache line size, latency timer, header type, self test (7.5.1.1.9).
pub const HEADER: u16 = 0x0C;
/// First base address register (7.5.1.2.1).
pub const BAR: u16 = 0x10;
/// Primary, secondary and subordinate bus of a bridge (7.5.1.3.2 on).
pub const BRIDGE_BUSES: u16 = 0x18;
/// Pointer to the first capability (7.5.1.1.11).
pub const CAPABILITIES: u16 = 0x34;
/// Interrupt line and pin (7.5.1.1.12, 7.5.1.1.13).
pub const INTERRUPT: u16 = 0x3C;

/// Command: responds to I/O space.
pub const COMMAND_PORTS: u32 = 1 << 0;
/// Command: responds to memory space.
pub const COMMAND_MEMORY: u32 = 1 << 1;
/// Command: may act as bus master (DMA and message interrupts).
pub const COMMAND_MASTER: u32 = 1 << 2;
/// Command: may not assert its legacy interrupt.
pub const COMMAND_INTX_OFF: u32 = 1 << 10;
/// Status: there is a list of capabilities.
pub const STATUS_CAPABILITIES: u32 = 1 << 20;
/// Status bits that are cleared by writing ones; written as zero to keep them.
pub const STATUS_MASK: u32 = 0xFFFF_0000;

/// Header type, in [`HEADER`]: layout 0 is a device, 1 a PCI-to-PCI bridge.
pub const fn header_layout(header: u32) -> u8 {
    (header >> 16) as u8 & 0x7F
}

/// Whether [`HEADER`] announces functions besides function 0.
pub const fn is_multifunction(header: u32) -> bool {
    header & (1 << 23) != 0
}

/// Capability: power management (7.5.2).
pub const CAPABILITY_POWER: u8 = 0x01;
/// Capability: message-signalled interrupts (7.7.1).
pub const CAPABILITY_MSI: u8 = 0x05;
/// Capability: PCI Express (7.5.3).
pub const CAPABILITY_EXPRESS: u8 = 0x10;
/// Capability: MSI-X (7.7.2).
pub const CAPABILITY_MSIX: u8 = 0x11;

/// Power management: control and status, from the capability on (7.5.2.2).
pub const POWER_CONTROL: u16 = 4;
/// Power state D0 in [`POWER_CONTROL`].
pub const POWER_D0: u32 = 0;
/// Power state D3hot in [`POWER_CONTROL`].
pub const POWER_D3HOT: u32 = 3;
/// Mask of the power state.
pub const POWER_STATE: u32 = 3;
/// The transition from D3hot to D0 does not reset the function.
pub const POWER_NO_SOFT_RESET: u32 = 1 << 3;

/// PCI Express: device capabilities, from the capability on (7.5.3.3).
pub const EXPRESS_DEVICE_CAPABILITIES: u16 = 4;
/// Function-level reset is there.
pub const EXPRESS_FLR_CAPABLE: u32 = 1 << 28;
/// PCI Express: device control (7.5.3.4) and status (7.5.3.5).
pub const EXPRESS_DEVICE_CONTROL: u16 = 8;
/// Initiate function-level reset.
pub const EXPRESS_INITIATE_FLR: u32 = 1 << 15;
/// Requests of the function wait for their completions.
pub const EXPRESS_TRANSACTIONS_PENDING: u32 = 1 << 21;

/// MSI and MSI-X: message control is the high half of the first register.
pub const MESSAGE_CONTROL: u16 = 0;
/// MSI: enabled (7.7.1.2).
pub const MSI_ENABLE: u32 = 1 << 16;
/// MSI: number of messages enabled; zero is one message.
pub const MSI_MULTIPLE: u32 = 7 << 20;
/// MSI: addresses have 64 bits.
pub const MSI_64_BIT: u32 = 1 << 23;
/// MSI-X: enabled (7.7.2.2).
pub const MSIX_ENABLE: u32 = 1 << 31;
/// MSI-X: every vector masked.
pub const MSIX_MASK_ALL: u32 = 1 << 30;
/// MSI-X: table BAR (bits 2:0) and offset (7.7.2.3).
pub const MSIX_TABLE: u16 = 4;
/// MSI-X: pending bits' BAR (bits 2:0) and offset (7.7.2.4).
pub const MSIX_PENDING: u16 = 8;
/// Bytes of an entry of the MSI-X table (7.7.2.5).
pub const MSIX_ENTRY_BYTES: usize = 16;
/// Offset of the vector control in an entry; 1 masks the vector (7.7.2.8).
pub const MSIX_VECTOR_CONTROL: usize = 12;

/// Vectors in the MSI-X table, from its message control.
pub const fn msix_vectors(control: u32) -> u32 {
    ((control >> 16) & 0x7FF) + 1
}
