//! QEMU's `edu` device (docs/specs/edu.rst): copies of memory, interrupts.

/// Base address register of its registers.
pub const BAR: u32 = 0;
/// Raises an interrupt for these causes, of which there are any 32.
pub const RAISE: usize = 0x60;
/// Takes causes back.
pub const ACKNOWLEDGE: usize = 0x64;
/// Device address to copy from.
pub const SOURCE: usize = 0x80;
/// Device address to copy to.
pub const DESTINATION: usize = 0x88;
/// Bytes to copy.
pub const COUNT: usize = 0x90;
/// Starts a copy, and shows that it goes on.
pub const COMMAND: usize = 0x98;
/// Command: start; reads 1 until the copy is done.
pub const START: u64 = 1;
/// Command: from the device's buffer to memory, not the other way.
pub const TO_MEMORY: u64 = 1 << 1;
/// Where its buffer lies for it.
pub const BUFFER: u64 = 0x4_0000;

/// Configuration space (PCI 3.0, section 6.8.1): where capabilities begin, the id of the
/// one for messages, and what lies behind that.
pub mod messages {
    pub const FIRST: u16 = 0x34;
    pub const ID: u32 = 5;
    pub const ADDRESS: u16 = 4;
    pub const UPPER_ADDRESS: u16 = 8;
    pub const DATA: u16 = 12;
}
