//! Memory as a modelled device sees it, for tests on the host.
//!
//! Addresses are the process's own. A device reaches only what was allocated
//! for it or is open at the moment, in the direction it was opened for, so a
//! driver that passes a wrong address is found out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use abi::PAGE_SIZE;
use abi::device::DmaMode;

use crate::{BouncePool, Closing, Closings, Direction, DmaRegion, Loan, Place};

/// Which addresses a modelled device may use.
#[derive(Debug)]
pub struct HostMemory {
    ranges: Mutex<BTreeMap<usize, Vec<Range>>>,
    /// How an IOMMU guards it.
    mode: DmaMode,
    bounces: BouncePool,
    closings: Closings,
    /// Waits that settled something.
    waits: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    end: usize,
    /// `None`: both.
    direction: Option<Direction>,
    /// Closed, and not settled.
    closing: Option<Closing>,
}

#[repr(align(4096))]
#[expect(dead_code, reason = "read as part of a slice of words")]
struct Page([AtomicU64; PAGE_SIZE / 8]);

impl Default for HostMemory {
    /// Without an IOMMU.
    fn default() -> Self {
        Self::guarded(DmaMode::Open)
    }
}

impl HostMemory {
    /// Memory behind an IOMMU, which opens whole pages of objects and nothing else.
    #[must_use]
    pub fn guarded(mode: DmaMode) -> Self {
        Self {
            ranges: Mutex::default(),
            mode,
            bounces: BouncePool::new(),
            closings: Closings::new(),
            waits: AtomicUsize::new(0),
        }
    }

    /// How often [`Self::settle`] had to wait.
    pub fn waits(&self) -> usize {
        self.waits.load(Ordering::Relaxed)
    }

    /// As [`crate::Platform::bounces`].
    pub const fn bounces(&self) -> &BouncePool {
        &self.bounces
    }

    fn ranges(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<Range>>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`crate::Platform::allocate`].
    pub fn allocate(&self, pages: usize) -> DmaRegion {
        let fresh: Vec<Page> = (0..pages)
            .map(|_| Page(core::array::from_fn(|_| AtomicU64::new(0))))
            .collect();
        let pages: &'static [Page] = fresh.leak();
        let start = pages.as_ptr().expose_provenance();
        let range = Range {
            end: start + size_of_val(pages),
            direction: None,
            closing: None,
        };
        self.ranges().entry(start).or_default().push(range);
        // SAFETY: `Page` is an array of such words without padding, and leaked.
        let words =
            unsafe { core::slice::from_raw_parts(pages.as_ptr().cast(), size_of_val(pages) / 8) };
        DmaRegion::new(words, start as u64)
    }

    /// As [`crate::Platform::open`].
    pub fn open(&self, loan: &Loan) -> Option<u64> {
        let (start, bytes) = (loan.start().0.expose_provenance(), loan.bytes());
        let is_whole = loan.is_object() && (start | bytes).is_multiple_of(PAGE_SIZE);
        if self.mode != DmaMode::Open && !is_whole {
            return None;
        }
        let range = Range {
            end: start + bytes,
            direction: Some(loan.direction()),
            closing: None,
        };
        self.ranges().entry(start).or_default().push(range);
        Some(start as u64)
    }

    /// As [`crate::Platform::close`].
    ///
    /// # Panics
    /// When it was not open.
    ///
    /// In mode `Strict` the device reaches the bytes until they are settled.
    pub fn close(&self, loan: &Loan) -> Option<Closing> {
        let mut ranges = self.ranges();
        let range = Range {
            end: loan.start().0.addr() + loan.bytes(),
            direction: Some(loan.direction()),
            closing: None,
        };
        let here = ranges.get_mut(&loan.start().0.addr()).expect("it was open");
        let index = here.iter().position(|other| *other == range);
        let index = index.expect("it was open in this direction");
        if self.mode == DmaMode::Strict {
            let closing = self.closings.note();
            here[index].closing = Some(closing);
            return Some(closing);
        }
        here.swap_remove(index);
        None
    }

    /// Ends all loans: their driver is dead.
    pub fn close_all(&self) {
        for here in self.ranges().values_mut() {
            here.retain(|range| range.direction.is_none());
        }
    }

    /// As [`crate::Platform::settle`].
    pub fn settle(&self, closing: Closing) {
        self.closings.settle(closing, || {
            self.waits.fetch_add(1, Ordering::Relaxed);
            let mut ranges = self.ranges();
            for here in ranges.values_mut() {
                here.retain(|range| range.closing.is_none());
            }
        });
    }

    /// How many buffers are open.
    pub fn open_buffers(&self) -> usize {
        let is_buffer = |range: &&Range| range.direction.is_some() && range.closing.is_none();
        self.ranges().values().flatten().filter(is_buffer).count()
    }

    /// As [`crate::Platform::physical_address`].
    pub fn physical_address(&self, byte: Place) -> Option<u64> {
        let known = |direction| self.may(byte.0.addr(), 1, direction);
        (known(Direction::ToDevice) || known(Direction::FromDevice)).then(|| byte.0.addr() as u64)
    }

    fn may(&self, start: usize, bytes: usize, direction: Direction) -> bool {
        let fits = |range: &Range| {
            start + bytes <= range.end && range.direction.is_none_or(|way| way == direction)
        };
        let ranges = self.ranges();
        let mut before = ranges.range(..=start).rev();
        before.any(|(_, list)| list.iter().any(fits))
    }

    /// The device reads memory. False: it may not.
    #[must_use]
    pub fn device_read(&self, address: u64, into: &mut [u8]) -> bool {
        let start = address as usize;
        if !self.may(start, into.len(), Direction::ToDevice) {
            return false;
        }
        let source = core::ptr::with_exposed_provenance::<u8>(start);
        for (index, byte) in into.iter_mut().enumerate() {
            // SAFETY: inside a range that is allocated or lent for this.
            *byte = unsafe { source.add(index).read_volatile() };
        }
        true
    }

    /// The device writes memory. False: it may not.
    #[must_use]
    pub fn device_write(&self, address: u64, from: &[u8]) -> bool {
        let start = address as usize;
        if !self.may(start, from.len(), Direction::FromDevice) {
            return false;
        }
        let target = core::ptr::with_exposed_provenance_mut::<u8>(start);
        for (index, byte) in from.iter().enumerate() {
            // SAFETY: inside a range that is allocated or lent for this.
            unsafe { target.add(index).write_volatile(*byte) };
        }
        true
    }
}
