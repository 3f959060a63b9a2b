//! The physical frame allocator: a buddy system over all free RAM.
//!
//! [`FrameAllocator`] keeps one [`Frame`] record per page frame, outside the
//! frames themselves, so free memory is never touched: a stray device write
//! into a freed frame cannot damage the allocator, and a machine that backs its
//! RAM lazily stays small. Any number of contiguous pages can be had; the rest
//! of the power of two goes back at once, so [`used`] is exact to the page (the
//! reclaim audit compares it). Physical address 0 is never handed out.
//!
//! Page tables and images' code lie in frames that are sealed: read-only in the direct
//! map ([`sealed`]).

mod sealed;
mod services;

use crate::machine::{PhysicalRange, SealedMemory};
use crate::sync::SpinLock;
use core::ops::Range;

use crate::{domain, thread};

pub use sealed::{CHUNK_BYTES, allocate_table, free_table, grow};
pub(crate) use sealed::{allocate_sealed, free_sealed, trim};

const PAGE_SIZE: u64 = abi::PAGE_SIZE as u64;

/// Largest block: 2^24 pages, 64 GiB.
const ORDERS: usize = 25;

/// End of a free list.
const NONE: u32 = u32::MAX;

static FRAMES: SpinLock<Option<FrameAllocator<'static>>> = SpinLock::new(None);

/// Hands all of `free` to the allocator, once at boot.
///
/// # Safety
/// Every byte of `free` must be unused RAM, writable at `direct_map_base` plus
/// its physical address for ever, and the ranges must not overlap, nor with `sealed`.
pub unsafe fn init(direct_map_base: usize, free: &[PhysicalRange], sealed: SealedMemory) {
    let Some((records, place)) = place_records(free, sealed) else {
        return;
    };
    let start = (direct_map_base as u64 + place.start) as *mut Frame;
    // SAFETY: the records lie in free RAM, which the caller grants us for ever
    // and which is writable there; page alignment exceeds that of `Frame`; every
    // record is written before the slice is made. Nobody else gets this memory,
    // because `place` is left out below.
    let records = unsafe {
        for index in 0..records {
            start.add(index).write(Frame::ABSENT);
        }
        core::slice::from_raw_parts_mut(start, records)
    };
    let mut allocator = FrameAllocator::new(records);
    for range in free {
        let range = whole_pages(*range);
        allocator.add(PhysicalRange {
            start: range.start,
            end: range.end.min(place.start.max(range.start)),
        });
        allocator.add(PhysicalRange {
            start: range.start.max(place.end.min(range.end)),
            end: range.end,
        });
    }
    allocator.add_sealed(sealed);
    allocator.keep_for_services();
    *FRAMES.lock() = Some(allocator);
}

/// Allocates `pages` physically contiguous pages, aligned to the next power of
/// two of their number; contents are undefined. `None`: no such run is free, or
/// only what the kernel needs to go on (see [`allocate_reserved`]), or what is kept for
/// services and a program asks, or has a service work for it.
#[must_use]
pub fn allocate(pages: usize) -> Option<u64> {
    let mut frames = FRAMES.lock();
    let frames = frames.as_mut()?;
    if frames.has_left(pages)
        && let Some(start) = frames.allocate(pages)
    {
        return Some(start);
    }
    let may_have_kept = frames.services.free != 0 && is_for_service();
    may_have_kept.then(|| frames.take(Zone::Services, pages))?
}

/// As [`allocate`], for the kernel's own threads, which do not take more for a domain
/// that asks for more, and for what was set aside by [`promise`].
#[must_use]
pub fn allocate_reserved(pages: usize) -> Option<u64> {
    let mut frames = FRAMES.lock();
    let frames = frames.as_mut()?;
    let common = frames.allocate(pages);
    common.or_else(|| frames.take(Zone::Services, pages))
}

/// Whether the kernel or a thread of a service's asks: not a program, nor a service that
/// works on a call of one.
fn is_for_service() -> bool {
    domain::current().is_kernel() || !thread::current().is_programs
}

/// Single frames that are set aside, until this is dropped.
#[derive(Debug)]
pub(crate) struct Promise {
    pages: u64,
    /// They are of those kept for services.
    is_of_services: bool,
}

/// Sets frames aside for [`allocate_reserved`], one at a time; `None`: there are none.
pub(crate) fn promise(pages: usize) -> Option<Promise> {
    let mut frames = FRAMES.lock();
    let frames = frames.as_mut()?;
    let is_of_services = !frames.has_left(pages);
    let pages = pages as u64;
    if is_of_services {
        let promised = frames.promised_of_services + pages;
        if promised > frames.services.free || !is_for_service() {
            return None;
        }
        frames.promised_of_services = promised;
    } else {
        frames.promised += pages;
    }
    Some(Promise {
        pages,
        is_of_services,
    })
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(frames) = FRAMES.lock().as_mut() {
            if self.is_of_services {
                frames.promised_of_services -= self.pages;
            } else {
                frames.promised -= self.pages;
            }
        }
    }
}

/// Frames that domains do not get: one in 64, at most 4 MiB.
const fn reserve(total: u64) -> u64 {
    let part = total / 64;
    if part < 1024 { part } else { 1024 }
}

/// Frees `pages` pages from physical address `address` on; they may be part of
/// what one [`allocate`] returned, or several such runs side by side.
///
/// # Panics
/// If one of them is not allocated: kernel memory is then no longer sound.
pub fn free(address: u64, pages: usize) {
    FRAMES
        .lock()
        .as_mut()
        .expect("frames are freed after `init` only")
        .free(address, pages);
}

/// Whether a range of physical addresses has RAM that is managed here.
#[must_use]
pub fn has_any(pages: &core::ops::Range<u64>) -> bool {
    FRAMES.lock().as_ref().is_some_and(|allocator| {
        let end = frame_number(pages.end).min(allocator.frames.len());
        let start = frame_number(pages.start).min(end);
        let mut frames = allocator.frames[start..end].iter();
        frames.any(|frame| frame.state != State::Absent)
    })
}

/// Pages in use; what is sealed and free is not.
#[must_use]
pub fn used() -> u64 {
    let frames = FRAMES.lock();
    frames.as_ref().map_or(0, |frames| {
        frames.used - frames.sealed.free - frames.services.free
    })
}

/// Pages managed, in use or free.
#[must_use]
pub fn total() -> u64 {
    FRAMES.lock().as_ref().map_or(0, |frames| frames.total)
}

/// Record of one page frame.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    next: u32,
    previous: u32,
    state: State,
}

impl Frame {
    /// The record of a frame nobody has added yet.
    pub(crate) const ABSENT: Self = Self {
        next: NONE,
        previous: NONE,
        state: State::Absent,
    };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Not RAM, or not ours.
    Absent,
    /// Allocated.
    Used,
    /// First frame of a free block of this order; only these are linked.
    FreeBlock(u8),
    /// Any other frame of a free block.
    FreeInside,
}

/// Free blocks by their orders.
struct Lists {
    /// First block of each order's free list.
    heads: [u32; ORDERS],
    /// Bit `n` is set while the list of order `n` is not empty.
    non_empty: u32,
    /// Blocks of this order are not merged.
    largest: usize,
    /// Frames in the lists.
    free: u64,
}

impl Lists {
    const fn new(largest: usize) -> Self {
        Self {
            heads: [NONE; ORDERS],
            non_empty: 0,
            largest,
            free: 0,
        }
    }
}

/// Whose free blocks are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Zone {
    /// Of memory for everything.
    Common,
    /// Of sealed memory, which counts as used in the first.
    Sealed,
    /// Of memory that is kept for services, which counts as used in the first.
    Services,
}

/// A buddy allocator over the frames numbered 0 to `frames.len() - 1`.
pub(crate) struct FrameAllocator<'records> {
    frames: &'records mut [Frame],
    common: Lists,
    sealed: Lists,
    services: Lists,
    /// The frames of `services`, whole chunks.
    kept: Range<usize>,
    /// Frames that are not in the common lists.
    used: u64,
    total: u64,
    /// Free frames that [`allocate`] leaves alone besides the reserve.
    promised: u64,
    /// Free frames of `services` that are set aside.
    promised_of_services: u64,
}

impl<'records> FrameAllocator<'records> {
    /// An allocator without memory; all records must be [`Frame::ABSENT`].
    pub(crate) fn new(frames: &'records mut [Frame]) -> Self {
        Self {
            frames,
            common: Lists::new(ORDERS - 1),
            sealed: Lists::new(sealed::LARGEST_ORDER),
            services: Lists::new(sealed::LARGEST_ORDER),
            kept: 0..0,
            used: 0,
            total: 0,
            promised: 0,
            promised_of_services: 0,
        }
    }

    /// Whether so many may be taken without touching the reserve or a promise.
    fn has_left(&self, pages: usize) -> bool {
        let left = (self.total - self.used).checked_sub(pages as u64);
        left.is_some_and(|left| left >= reserve(self.total) + self.promised)
    }

    /// Adds free memory, whole pages, as far as there are records for it.
    pub(crate) fn add(&mut self, range: PhysicalRange) {
        let first = frame_number(range.start).max(1);
        let end = frame_number(range.end).min(self.frames.len());
        if first >= end {
            return;
        }
        for frame in &mut self.frames[first..end] {
            assert!(frame.state == State::Absent, "free memory is listed once");
            frame.state = State::Used;
        }
        let pages = (end - first) as u64;
        self.total += pages;
        self.used += pages;
        self.free(address(first), end - first);
    }

    const fn lists(&mut self, zone: Zone) -> &mut Lists {
        match zone {
            Zone::Common => &mut self.common,
            Zone::Sealed => &mut self.sealed,
            Zone::Services => &mut self.services,
        }
    }

    /// See [`allocate`].
    pub(crate) fn allocate(&mut self, pages: usize) -> Option<u64> {
        let start = self.take(Zone::Common, pages)?;
        self.used += pages as u64;
        Some(start)
    }

    /// See [`free`].
    pub(crate) fn free(&mut self, start: u64, pages: usize) {
        let first = frame_number(start);
        let end = first.saturating_add(pages);
        let (kept_start, kept_end) = (self.kept.start, self.kept.end);
        // At most one part of the run is in each of these.
        for (part, zone) in [
            (first..end.min(kept_start), Zone::Common),
            (first.max(kept_start)..end.min(kept_end), Zone::Services),
            (first.max(kept_end)..end, Zone::Common),
        ] {
            if part.is_empty() {
                continue;
            }
            self.give_back(
                zone,
                start + (part.start - first) as u64 * PAGE_SIZE,
                part.len(),
            );
            if zone == Zone::Common {
                self.used -= part.len() as u64;
            }
        }
    }

    fn take(&mut self, zone: Zone, pages: usize) -> Option<u64> {
        if pages == 0 || pages > 1 << (ORDERS - 1) {
            return None;
        }
        let wanted = pages.next_power_of_two().trailing_zeros();
        let fitting = self.lists(zone).non_empty >> wanted << wanted;
        if fitting == 0 {
            return None;
        }
        let order = fitting.trailing_zeros() as usize;
        let first = self.lists(zone).heads[order] as usize;
        self.unlink(zone, first, order);
        for frame in &mut self.frames[first..first + pages] {
            frame.state = State::Used;
        }
        self.link_run(zone, first + pages, (1 << order) - pages);
        Some(address(first))
    }

    fn give_back(&mut self, zone: Zone, start: u64, pages: usize) {
        assert!(
            start.is_multiple_of(PAGE_SIZE),
            "freed frames are page-aligned"
        );
        let first = frame_number(start);
        let run = self
            .frames
            .get_mut(first..first.saturating_add(pages))
            .expect("freed frames are RAM");
        for frame in run {
            assert!(frame.state == State::Used, "freed frames are in use");
            frame.state = State::FreeInside;
        }
        self.link_run(zone, first, pages);
    }

    /// Links a run of unlinked free frames as the largest aligned blocks.
    fn link_run(&mut self, zone: Zone, mut first: usize, mut pages: usize) {
        let largest = self.lists(zone).largest;
        while pages > 0 {
            let order = (first.trailing_zeros().min(pages.ilog2()) as usize).min(largest);
            self.link_block(zone, first, order);
            first += 1 << order;
            pages -= 1 << order;
        }
    }

    /// Links one free block, merged with its buddies as far as they are free.
    fn link_block(&mut self, zone: Zone, mut first: usize, mut order: usize) {
        while order < self.lists(zone).largest {
            let buddy = first ^ (1 << order);
            let merges = self
                .frames
                .get(buddy)
                .is_some_and(|frame| frame.state == State::FreeBlock(order_byte(order)));
            if !merges {
                break;
            }
            self.unlink(zone, buddy, order);
            first = first.min(buddy);
            order += 1;
        }
        let lists = self.lists(zone);
        let next = lists.heads[order];
        lists.heads[order] = link(first);
        lists.non_empty |= 1 << order;
        lists.free += 1 << order;
        self.frames[first] = Frame {
            next,
            previous: NONE,
            state: State::FreeBlock(order_byte(order)),
        };
        if let Some(frame) = self.frames.get_mut(next as usize) {
            frame.previous = link(first);
        }
    }

    /// Takes a free block off its list; its frames are free but unlinked then.
    fn unlink(&mut self, zone: Zone, first: usize, order: usize) {
        let Frame { next, previous, .. } = self.frames[first];
        if let Some(frame) = self.frames.get_mut(next as usize) {
            frame.previous = previous;
        }
        match self.frames.get_mut(previous as usize) {
            Some(frame) => frame.next = next,
            None => self.lists(zone).heads[order] = next,
        }
        let lists = self.lists(zone);
        if lists.heads[order] == NONE {
            lists.non_empty &= !(1 << order);
        }
        lists.free -= 1 << order;
        self.frames[first].state = State::FreeInside;
    }
}

/// How many records all memory needs, and the memory for them: the start of the
/// largest free range. `None` if there is no memory worth managing.
fn place_records(free: &[PhysicalRange], sealed: SealedMemory) -> Option<(usize, PhysicalRange)> {
    let ranges = || free.iter().map(|range| whole_pages(*range));
    let largest = ranges().max_by_key(|range| range.end - range.start)?;
    let end = ranges().map(|range| range.end).max()?.max(sealed.all.end);
    let records = frame_number(end).min(NONE as usize);
    let bytes = (records * size_of::<Frame>()) as u64;
    // Address 0 is left out here too: a reference to it would be null on pc.
    let start = largest.start.max(PAGE_SIZE);
    let end = start + bytes.next_multiple_of(PAGE_SIZE);
    (end < largest.end).then_some((records, PhysicalRange { start, end }))
}

/// The whole pages within `range`.
fn whole_pages(range: PhysicalRange) -> PhysicalRange {
    let start = range.start.next_multiple_of(PAGE_SIZE);
    PhysicalRange {
        start,
        end: (range.end & !(PAGE_SIZE - 1)).max(start),
    }
}

fn frame_number(address: u64) -> usize {
    (address / PAGE_SIZE) as usize
}

fn address(frame: usize) -> u64 {
    frame as u64 * PAGE_SIZE
}

#[expect(clippy::cast_possible_truncation, reason = "orders are below 25")]
fn order_byte(order: usize) -> u8 {
    order as u8
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`place_records` makes fewer than 2^32 records"
)]
fn link(frame: usize) -> u32 {
    frame as u32
}

#[cfg(test)]
mod tests;
