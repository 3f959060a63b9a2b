//! Buffers a device fills or empties in place: nobody else has them meanwhile.

use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;

use abi::PAGE_SIZE;
use abi::device::{Lease, loan};
use abi::exchange::ObjectHeader;
use exchange::RRefSlice;

use crate::{Closing, DmaRegion, Platform};

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

/// Where a byte is, for [`Platform::physical_address`]. It shows no address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place(pub(crate) *const u8);

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Place")
    }
}

/// What a platform is to let a device use. Made here only, for bytes that somebody has
/// and gives away meanwhile, so that a driver cannot name others to a platform.
pub struct Loan {
    start: *const u8,
    bytes: usize,
    direction: Direction,
    /// All of an exchange object, which the caller owns.
    is_object: bool,
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
    /// For the kernel, as [`abi::device::loan`] says.
    pub(crate) const fn how(&self) -> u32 {
        let object = if self.is_object { loan::OBJECT } else { 0 };
        match self.direction {
            Direction::FromDevice => object | loan::WRITTEN,
            Direction::ToDevice => object,
        }
    }

    /// First byte.
    #[must_use]
    pub const fn start(&self) -> Place {
        Place(self.start)
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

    /// The device address of the first byte, if the driver of this number has a lease.
    #[inline]
    pub(crate) fn leased(&self, number: u32) -> Option<u64> {
        if !self.is_object {
            return None;
        }
        let header = self.start.cast::<ObjectHeader>().wrapping_sub(1);
        // SAFETY: an object, which is not freed while it is lent, has its header in front.
        let lease = unsafe { (*header).lease.load(Ordering::Relaxed) };
        Lease(lease).address(number, self.direction == Direction::FromDevice)
    }

    /// Whether this is all of an exchange object. What is only borrowed lies among other
    /// things of its owner's, who may use its place for others once it is given back.
    #[must_use]
    pub const fn is_object(&self) -> bool {
        self.is_object
    }
}

/// There is no memory for a bounce buffer. What was to be lent comes back.
#[derive(Debug)]
pub struct NoBounce<B>(pub B);

/// What a device works on: the bytes that were lent, or a bounce buffer instead.
struct Span {
    loan: Loan,
    /// Device address of the first byte.
    address: u64,
    bounce: Option<Box<DmaRegion>>,
}

impl Span {
    /// Lends bytes, at a multiple of `align`, a power of two. `None`: a bounce buffer is
    /// needed, and there is no memory for one.
    ///
    /// # Safety
    /// The bytes are valid until [`Span::close`] and what it answers is settled; nobody
    /// else writes to them, and if the device is to fill them nobody else reads them.
    #[inline]
    unsafe fn open(platform: &impl Platform, loan: Loan, align: usize) -> Option<Self> {
        let is_aligned = loan.start.addr().is_multiple_of(align);
        let in_place = is_aligned.then(|| platform.open(&loan)).flatten();
        let (address, bounce) = if let Some(address) = in_place {
            (address, None)
        } else {
            // SAFETY: the caller's promise.
            let from = unsafe { core::slice::from_raw_parts(loan.start, loan.bytes) };
            let region = copy_in(platform, from)?;
            (region.physical(), Some(region))
        };
        let span = Self {
            loan,
            address,
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
            None => self.loan.start,
        }
    }

    /// Ends what was begun. The bytes are there, if they came from the device. Nobody
    /// may have them before what comes back is settled.
    ///
    /// # Safety
    /// As for [`Span::open`].
    #[inline]
    unsafe fn close(self, platform: &impl Platform) -> Option<Closing> {
        device_may_see(self.seen().cast_mut());
        let Some(region) = self.bounce else {
            return platform.close(&self.loan);
        };
        if self.loan.direction == Direction::FromDevice {
            let start = self.loan.start.cast_mut();
            // SAFETY: the caller's promise: valid bytes that are nobody else's.
            let into = unsafe { core::slice::from_raw_parts_mut(start, self.loan.bytes) };
            region.copy_to(0, into);
        }
        platform.bounces().give_back(region);
        None
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
        let loan = Loan {
            start,
            bytes,
            direction: D::DIRECTION,
            is_object: false,
        };
        // SAFETY: the caller's promise, for as long as this borrows.
        let span = unsafe { Span::open(platform, loan, align) };
        Ok(Self {
            span: span.ok_or(NoBounce(()))?,
            borrow: PhantomData,
        })
    }

    /// Device address of the first byte that the device uses.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.span.address
    }

    /// Where the device finds the bytes, page by page. `None` for a page that is not
    /// mapped.
    pub fn pages(&self, platform: &impl Platform) -> impl Iterator<Item = Option<PageRun>> {
        let runs = pages_of(self.span.seen(), self.bytes());
        runs.map(|(start, bytes)| {
            let address = platform.physical_address(Place(start))?;
            Some(PageRun { address, bytes })
        })
    }

    /// Number of bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.span.loan.bytes
    }

    /// Whether what the device uses is known to be physically contiguous.
    #[must_use]
    pub const fn is_contiguous(&self) -> bool {
        self.span.bounce.is_some()
    }

    /// Ends the loan: the device is done with the buffer.
    pub fn finish(self, platform: &impl Platform) {
        // SAFETY: the borrow has lasted until now.
        let closing = unsafe { self.span.close(platform) };
        if let Some(closing) = closing {
            platform.settle(closing);
        }
    }
}

/// A buffer on the exchange heap that a device has: consumed until
/// [`InFlight::finish`] gives it back.
///
/// Dropped unfinished it is leaked, never freed: the device may still use it.
/// If the domain dies, the kernel takes it back after quiescing the device.
pub struct InFlight<D: Towards> {
    buffer: ManuallyDrop<RRefSlice<u8>>,
    address: u64,
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
        let loan = Self::loan(&mut buffer);
        // SAFETY: the buffer is this one's until it is finished, and leaked otherwise.
        let span = unsafe { Span::open(platform, loan, 1) };
        match span {
            Some(span) => Ok(Self {
                buffer: ManuallyDrop::new(buffer),
                address: span.address,
                bounce: span.bounce,
                direction: PhantomData,
            }),
            None => Err(NoBounce(buffer)),
        }
    }

    /// Device address of the first byte; all of them are physically contiguous.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Number of bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    fn loan(buffer: &mut RRefSlice<u8>) -> Loan {
        Loan {
            start: buffer.as_mut_ptr(),
            bytes: buffer.len(),
            direction: D::DIRECTION,
            is_object: true,
        }
    }

    /// Takes the buffer back: the device is done with it.
    #[must_use]
    pub fn finish(self, platform: &impl Platform) -> RRefSlice<u8> {
        self.end(platform).take(platform)
    }

    /// The device is done with the buffer. Whoever ends several before the first is
    /// [taken](Returned::take) waits once for all of them.
    #[must_use]
    pub fn end(mut self, platform: &impl Platform) -> Returned {
        let span = Span {
            loan: Self::loan(&mut self.buffer),
            address: self.address,
            bounce: self.bounce,
        };
        // SAFETY: the buffer is still this one's.
        let closing = unsafe { span.close(platform) };
        Returned {
            buffer: self.buffer,
            closing,
        }
    }
}

/// A buffer that a device is done with and may still reach. Dropped it is not freed.
pub struct Returned {
    buffer: ManuallyDrop<RRefSlice<u8>>,
    closing: Option<Closing>,
}

impl fmt::Debug for Returned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Returned({} bytes)", self.buffer.len())
    }
}

impl Returned {
    /// Whether [`Self::take`] waits for nothing.
    #[inline]
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.closing.is_none()
    }

    /// The buffer, once no device reaches it.
    #[inline]
    #[must_use]
    pub fn take(self, platform: &impl Platform) -> RRefSlice<u8> {
        if let Some(closing) = self.closing {
            platform.settle(closing);
        }
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRun {
    /// Device address of the first byte.
    pub address: u64,
    /// Number of bytes; the run ends at or before the end of the page.
    pub bytes: usize,
}

/// Splits `bytes` bytes from `start` on at page boundaries.
pub(crate) fn pages_of(start: *const u8, bytes: usize) -> impl Iterator<Item = (*const u8, usize)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        if done == bytes {
            return None;
        }
        let run = start.wrapping_add(done);
        let in_page = PAGE_SIZE - run.addr() % PAGE_SIZE;
        let length = in_page.min(bytes - done);
        done += length;
        Some((run, length))
    })
}
