//! Buffers a device fills or empties in place: nobody else has them meanwhile.

use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use abi::PAGE_SIZE;
use exchange::RRefSlice;

use crate::{DmaRegion, Platform};

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

/// There is no memory for a bounce buffer. What was to be lent comes back.
#[derive(Debug)]
pub struct NoBounce<B>(pub B);

/// What a device works on: the bytes that were lent, or a bounce buffer instead.
struct Span {
    start: *mut u8,
    bytes: usize,
    bounce: Option<Box<DmaRegion>>,
}

impl Span {
    /// Lends bytes, at a multiple of `align`, a power of two. `None`: a bounce buffer is
    /// needed, and there is no memory for one.
    ///
    /// # Safety
    /// The bytes are valid until [`Span::close`], nobody else writes to them, and if the
    /// device is to fill them nobody else reads them.
    #[inline]
    unsafe fn open(
        platform: &impl Platform,
        start: *mut u8,
        bytes: usize,
        direction: Direction,
        align: usize,
    ) -> Option<Self> {
        let is_aligned = start.addr().is_multiple_of(align);
        let bounce = if is_aligned && platform.open(&Loan::new(start, bytes, direction)) {
            None
        } else {
            // SAFETY: the caller's promise.
            let from = unsafe { core::slice::from_raw_parts(start, bytes) };
            Some(copy_in(platform, from)?)
        };
        let span = Self {
            start,
            bytes,
            bounce,
        };
        device_may_see(span.seen().cast_mut());
        Some(span)
    }

    /// The first byte, as the device sees it.
    #[inline]
    fn seen(&self) -> *const u8 {
        match &self.bounce {
            Some(region) => region.start(),
            None => self.start,
        }
    }

    /// Ends what was begun. The bytes are there, if they came from the device.
    ///
    /// # Safety
    /// As for [`Span::open`], in the same direction.
    #[inline]
    unsafe fn close(self, platform: &impl Platform, direction: Direction) {
        device_may_see(self.seen().cast_mut());
        let Some(region) = self.bounce else {
            return platform.close(&Loan::new(self.start, self.bytes, direction));
        };
        if direction == Direction::FromDevice {
            // SAFETY: the caller's promise: valid bytes that are nobody else's.
            let into = unsafe { core::slice::from_raw_parts_mut(self.start, self.bytes) };
            region.copy_to(0, into);
        }
        platform.bounces().give_back(region);
    }
}

/// A bounce buffer with these bytes, whatever the direction: bytes that the device does
/// not write stay what they were.
#[cold]
#[inline(never)]
fn copy_in(platform: &impl Platform, from: &[u8]) -> Option<Box<DmaRegion>> {
    let region = platform.bounces().take(platform, from.len())?;
    region.copy_from(0, from);
    Some(region)
}

/// Bytes lent to a device until [`Lent::finish`], within one call.
///
/// The borrow keeps everybody else away. A driver that returns to its caller
/// without having called `finish` must have stopped the device first.
pub struct Lent<'a, D: Towards> {
    span: Span,
    borrow: PhantomData<(&'a mut [u8], D)>,
}

impl<D: Towards> fmt::Debug for Lent<'_, D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Lent({} bytes, {:?})",
            self.bytes(),
            D::DIRECTION
        )
    }
}

impl<'a> Lent<'a, FromDevice> {
    /// Lends a buffer for the device to fill, which sees it at a multiple of `align`.
    ///
    /// # Errors
    /// [`NoBounce`]
    pub fn to_fill(
        platform: &impl Platform,
        buffer: &'a mut [u8],
        align: usize,
    ) -> Result<Self, NoBounce<()>> {
        // SAFETY: the buffer is borrowed for `'a` alone.
        unsafe { Self::open(platform, buffer.as_mut_ptr(), buffer.len(), align) }
    }
}

impl<'a> Lent<'a, ToDevice> {
    /// Lends a buffer for the device to read, which sees it at a multiple of `align`.
    ///
    /// # Errors
    /// [`NoBounce`]
    pub fn to_read(
        platform: &impl Platform,
        buffer: &'a [u8],
        align: usize,
    ) -> Result<Self, NoBounce<()>> {
        let start = buffer.as_ptr().cast_mut();
        // SAFETY: nobody writes to the buffer while it is borrowed, and nor does this:
        // it does not come from a device.
        unsafe { Self::open(platform, start, buffer.len(), align) }
    }
}

impl<D: Towards> Lent<'_, D> {
    /// See [`Span::open`].
    #[inline]
    unsafe fn open(
        platform: &impl Platform,
        start: *mut u8,
        bytes: usize,
        align: usize,
    ) -> Result<Self, NoBounce<()>> {
        // SAFETY: the caller's promise, for as long as this borrows.
        let span = unsafe { Span::open(platform, start, bytes, D::DIRECTION, align) };
        Ok(Self {
            span: span.ok_or(NoBounce(()))?,
            borrow: PhantomData,
        })
    }

    /// Address of the first byte that the device uses, for
    /// [`Platform::physical_address`].
    #[must_use]
    pub fn start(&self) -> *const u8 {
        self.span.seen()
    }

    /// Number of bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.span.bytes
    }

    /// Whether what the device uses is known to be physically contiguous.
    #[must_use]
    pub const fn is_contiguous(&self) -> bool {
        self.span.bounce.is_some()
    }

    /// Ends the loan: the device is done with the buffer.
    pub fn finish(self, platform: &impl Platform) {
        // SAFETY: the borrow has lasted until now.
        unsafe { self.span.close(platform, D::DIRECTION) }
    }
}

/// A buffer on the exchange heap that a device has: consumed until
/// [`InFlight::finish`] gives it back.
///
/// Dropped unfinished it is leaked, never freed: the device may still use it.
/// If the domain dies, the kernel takes it back after quiescing the device.
pub struct InFlight<D: Towards> {
    buffer: ManuallyDrop<RRefSlice<u8>>,
    bounce: Option<Box<DmaRegion>>,
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
    ///
    /// # Errors
    /// [`NoBounce`], with the buffer.
    pub fn begin(
        platform: &impl Platform,
        mut buffer: RRefSlice<u8>,
    ) -> Result<Self, NoBounce<RRefSlice<u8>>> {
        let (start, bytes) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: the buffer is this one's until it is finished, and leaked otherwise.
        let span = unsafe { Span::open(platform, start, bytes, D::DIRECTION, 1) };
        match span {
            Some(span) => Ok(Self {
                buffer: ManuallyDrop::new(buffer),
                bounce: span.bounce,
                direction: PhantomData,
            }),
            None => Err(NoBounce(buffer)),
        }
    }

    /// Address of the first byte that the device uses; all of them are physically
    /// contiguous.
    #[must_use]
    pub fn start(&self) -> *const u8 {
        match &self.bounce {
            Some(region) => region.start(),
            None => self.buffer.as_ptr(),
        }
    }

    /// Number of bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the buffer back: the device is done with it.
    #[must_use]
    pub fn finish(mut self, platform: &impl Platform) -> RRefSlice<u8> {
        let span = Span {
            start: self.buffer.as_mut_ptr(),
            bytes: self.buffer.len(),
            bounce: self.bounce,
        };
        // SAFETY: the buffer is still this one's.
        unsafe { span.close(platform, D::DIRECTION) };
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
