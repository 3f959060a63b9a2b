//! Device registers: bounds-checked, volatile, 32 and 64 bits wide.

use alloc::sync::Arc;
use core::fmt;
use core::ptr::NonNull;

/// Registers of a device, by byte offset.
///
/// Accesses reach the device in program order, each exactly once. An offset
/// that is misaligned or outside the block is a bug of the driver: a panic.
pub trait Registers {
    /// Bytes of the block.
    fn bytes(&self) -> usize;
    /// Reads 32 bits.
    fn read32(&self, offset: usize) -> u32;
    /// Writes 32 bits. Everything the driver stored before is visible to the
    /// device when it sees the write.
    fn write32(&self, offset: usize, value: u32);
    /// Reads 64 bits.
    fn read64(&self, offset: usize) -> u64;
    /// Writes 64 bits; ordered as [`Registers::write32`].
    fn write64(&self, offset: usize, value: u64);
}

impl<R: Registers + ?Sized> Registers for Arc<R> {
    fn bytes(&self) -> usize {
        (**self).bytes()
    }

    #[inline]
    fn read32(&self, offset: usize) -> u32 {
        (**self).read32(offset)
    }

    #[inline]
    fn write32(&self, offset: usize, value: u32) {
        (**self).write32(offset, value);
    }

    #[inline]
    fn read64(&self, offset: usize) -> u64 {
        (**self).read64(offset)
    }

    #[inline]
    fn write64(&self, offset: usize, value: u64) {
        (**self).write64(offset, value);
    }
}

/// Registers mapped into memory.
pub struct Mmio {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: device registers belong to no thread; accesses are single volatile
// loads and stores.
unsafe impl Send for Mmio {}
// SAFETY: as above; what concurrent accesses mean is the device's business and
// cannot harm memory.
unsafe impl Sync for Mmio {}

impl fmt::Debug for Mmio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Mmio({} bytes)", self.bytes)
    }
}

impl Mmio {
    /// The registers at `start`.
    ///
    /// # Safety
    /// `start..start + bytes` is device memory, mapped uncached for as long as
    /// the domain lives, and page-aligned.
    pub(crate) const unsafe fn new(start: NonNull<u8>, bytes: usize) -> Self {
        Self { start, bytes }
    }

    #[inline]
    fn place<T>(&self, offset: usize) -> *mut T {
        let end = offset.checked_add(size_of::<T>());
        assert!(
            end.is_some_and(|end| end <= self.bytes) && offset.is_multiple_of(size_of::<T>()),
            "register {offset:#x} does not lie in a block of {:#x} bytes",
            self.bytes
        );
        // SAFETY: the offset lies inside the block, as just checked.
        unsafe { self.start.as_ptr().add(offset).cast() }
    }
}

impl Registers for Mmio {
    fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    fn read32(&self, offset: usize) -> u32 {
        // SAFETY: an aligned place in mapped device memory (see `place`).
        let value = unsafe { self.place::<u32>(offset).read_volatile() };
        core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
        value
    }

    #[inline]
    fn write32(&self, offset: usize, value: u32) {
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        // SAFETY: an aligned place in mapped device memory (see `place`).
        unsafe { self.place::<u32>(offset).write_volatile(value) }
    }

    #[inline]
    fn read64(&self, offset: usize) -> u64 {
        // SAFETY: an aligned place in mapped device memory (see `place`).
        let value = unsafe { self.place::<u64>(offset).read_volatile() };
        core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
        value
    }

    #[inline]
    fn write64(&self, offset: usize, value: u64) {
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        // SAFETY: an aligned place in mapped device memory (see `place`).
        unsafe { self.place::<u64>(offset).write_volatile(value) }
    }
}
