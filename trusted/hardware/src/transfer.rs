//! Buffers a device fills or empties in place: nobody else has them meanwhile.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use abi::PAGE_SIZE;
use exchange::RRefSlice;

use crate::Platform;

/// Which way data moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The device reads memory.
    ToDevice,
    /// The device writes memory.
    FromDevice,
}

/// A direction as a type.
pub trait Towards: sealed::Sealed {
    /// The direction as a value.
    const DIRECTION: Direction;
}

/// Data moves to the device.
#[derive(Clone, Copy, Debug)]
pub struct ToDevice;

/// Data moves from the device.
#[derive(Clone, Copy, Debug)]
pub struct FromDevice;

impl Towards for ToDevice {
    const DIRECTION: Direction = Direction::ToDevice;
}

impl Towards for FromDevice {
    const DIRECTION: Direction = Direction::FromDevice;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ToDevice {}
    impl Sealed for super::FromDevice {}
}

/// What a platform is to let a device use. Made here only, for bytes that somebody has
/// and gives away meanwhile, so that a driver cannot name others to a platform.
pub struct Loan {
    start: *const u8,
    bytes: usize,
    direction: Direction,
}

impl fmt::Debug for Loan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Loan({} bytes, {:?})",
            self.bytes, self.direction
        )
    }
}

impl Loan {
    pub(crate) const fn new(start: *const u8, bytes: usize, direction: Direction) -> Self {
        Self {
            start,
            bytes,
            direction,
        }
    }

    /// First byte.
    #[must_use]
    pub const fn start(&self) -> *const u8 {
        self.start
    }

    /// Number of bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Which way data moves.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }
}

/// Bytes lent to a device until [`Lent::finish`], within one call.
///
/// The borrow keeps everybody else away. A driver that returns to its caller
/// without having called `finish` must have stopped the device first.
pub struct Lent<'a, D: Towards> {
    start: *mut u8,
    bytes: usize,
    borrow: PhantomData<(&'a mut [u8], D)>,
}

impl<D: Towards> fmt::Debug for Lent<'_, D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Lent({} bytes, {:?})", self.bytes, D::DIRECTION)
    }
}

impl<'a> Lent<'a, FromDevice> {
    /// Lends a buffer for the device to fill.
    pub fn to_fill(platform: &impl Platform, buffer: &'a mut [u8]) -> Self {
        Self::open(platform, buffer.as_mut_ptr(), buffer.len())
    }
}

impl<'a> Lent<'a, ToDevice> {
    /// Lends a buffer for the device to read.
    pub fn to_read(platform: &impl Platform, buffer: &'a [u8]) -> Self {
        Self::open(platform, buffer.as_ptr().cast_mut(), buffer.len())
    }
}

impl<D: Towards> Lent<'_, D> {
    fn open(platform: &impl Platform, start: *mut u8, bytes: usize) -> Self {
        platform.open(&Loan::new(start, bytes, D::DIRECTION));
        device_may_see(start);
        Self {
            start,
            bytes,
            borrow: PhantomData,
        }
    }

    /// Address of the first byte, for [`Platform::physical_address`].
    #[must_use]
    pub const fn start(&self) -> *const u8 {
        self.start
    }

    /// Number of bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ends the loan: the device is done with the buffer.
    pub fn finish(self, platform: &impl Platform) {
        device_may_see(self.start);
        platform.close(&Loan::new(self.start, self.bytes, D::DIRECTION));
    }
}

/// A buffer on the exchange heap that a device has: consumed until
/// [`InFlight::finish`] gives it back.
///
/// Dropped unfinished it is leaked, never freed: the device may still use it.
/// If the domain dies, the kernel takes it back after quiescing the device.
pub struct InFlight<D: Towards> {
    buffer: ManuallyDrop<RRefSlice<u8>>,
    direction: PhantomData<D>,
}

/// Without the bytes, which the device may be about to change.
impl<D: Towards> fmt::Debug for InFlight<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "InFlight({} bytes, {:?})",
            self.bytes(),
            D::DIRECTION
        )
    }
}

impl<D: Towards> InFlight<D> {
    /// Gives a buffer to the device.
    #[must_use]
    pub fn begin(platform: &impl Platform, mut buffer: RRefSlice<u8>) -> Self {
        platform.open(&Loan::new(buffer.as_ptr(), buffer.len(), D::DIRECTION));
        device_may_see(buffer.as_mut_ptr());
        Self {
            buffer: ManuallyDrop::new(buffer),
            direction: PhantomData,
        }
    }

    /// Address of the first byte; the buffer is physically contiguous.
    #[must_use]
    pub fn start(&self) -> *const u8 {
        self.buffer.as_ptr()
    }

    /// Number of bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the buffer back: the device is done with it.
    #[must_use]
    pub fn finish(mut self, platform: &impl Platform) -> RRefSlice<u8> {
        device_may_see(self.buffer.as_mut_ptr());
        platform.close(&Loan::new(
            self.buffer.as_ptr(),
            self.buffer.len(),
            D::DIRECTION,
        ));
        ManuallyDrop::into_inner(self.buffer)
    }
}

/// Tells the compiler that memory behind `start` may be read or written by
/// somebody it does not know, here and now.
#[inline]
fn device_may_see(start: *mut u8) {
    // SAFETY: no instruction. The block takes the address and, without
    // `nomem`, counts as an access to any memory reachable from it, so stores
    // to the buffer are finished before it and loads are not moved before it.
    unsafe { core::arch::asm!("/* {} */", in(reg) start, options(nostack, preserves_flags)) }
}

/// A run of bytes within one page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PageRun {
    /// First byte.
    pub start: *const u8,
    /// Number of bytes; the run ends at or before the end of the page.
    pub bytes: usize,
}

impl fmt::Debug for PageRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PageRun({} bytes)", self.bytes)
    }
}

/// Splits `bytes` bytes from `start` on at page boundaries.
pub fn pages_of(start: *const u8, bytes: usize) -> impl Iterator<Item = PageRun> {
    let mut done = 0;
    core::iter::from_fn(move || {
        if done == bytes {
            return None;
        }
        let run = start.wrapping_add(done);
        let in_page = PAGE_SIZE - run.addr() % PAGE_SIZE;
        let length = in_page.min(bytes - done);
        done += length;
        Some(PageRun {
            start: run,
            bytes: length,
        })
    })
}
