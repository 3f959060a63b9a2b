//! QEMU's `edu` device (docs/specs/edu.rst): the part that copies memory.

/// Base address register of its registers.
pub const BAR: u32 = 0;
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
