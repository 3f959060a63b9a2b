//! The physical frame allocator: a buddy system over all free RAM.
//!
//! [`FrameAllocator`] keeps one [`Frame`] record per page frame, outside the
//! frames themselves, so free memory is never touched: a stray device write
//! into a freed frame cannot damage the allocator, and a machine that backs its
//! RAM lazily stays small. Any number of contiguous pages can be had; the rest
//! of the power of two goes back at once, so [`used`] is exact to the page (the
//! reclaim audit compares it). Physical address 0 is never handed out.

use crate::machine::PhysicalRange;
use crate::sync::SpinLock;

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
/// its physical address for ever, and the ranges must not overlap.
pub unsafe fn init(direct_map_base: usize, free: &[PhysicalRange]) {
    let Some((records, place)) = place_records(free) else {
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
    *FRAMES.lock() = Some(allocator);
}

/// Allocates `pages` physically contiguous pages, aligned to the next power of
/// two of their number; contents are undefined. `None`: no such run is free, or
/// only what the kernel needs to go on (see [`allocate_reserved`]).
#[must_use]
pub fn allocate(pages: usize) -> Option<u64> {
    let mut frames = FRAMES.lock();
    let frames = frames.as_mut()?;
    frames.has_left(pages).then(|| frames.allocate(pages))?
}

/// As [`allocate`], for the kernel's own threads, which do not take more for a domain
/// that asks for more, and for what was set aside by [`promise`].
#[must_use]
pub fn allocate_reserved(pages: usize) -> Option<u64> {
    FRAMES.lock().as_mut()?.allocate(pages)
}

/// Single frames that are set aside, until this is dropped.
#[derive(Debug)]
pub(crate) struct Promise(u64);

/// Sets frames aside for [`allocate_reserved`], one at a time; `None`: there are none.
pub(crate) fn promise(pages: usize) -> Option<Promise> {
    let mut frames = FRAMES.lock();
    let frames = frames.as_mut()?;
    let pages = frames.has_left(pages).then_some(pages as u64)?;
    frames.promised += pages;
    Some(Promise(pages))
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(frames) = FRAMES.lock().as_mut() {
            frames.promised -= self.0;
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

/// Allocates one frame for a page table: of the reserve, too, unless a domain asks for
/// what it is to map.
#[must_use]
pub fn allocate_frame() -> Option<u64> {
    crate::heap::allocate_frames(1)
}

/// Frees one frame; see [`free`].
///
/// # Panics
/// If it is not allocated.
pub fn free_frame(address: u64) {
    free(address, 1);
}

/// Pages in use.
#[must_use]
pub fn used() -> u64 {
    FRAMES.lock().as_ref().map_or(0, |frames| frames.used)
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

/// A buddy allocator over the frames numbered 0 to `frames.len() - 1`.
pub(crate) struct FrameAllocator<'records> {
    frames: &'records mut [Frame],
    /// First block of each order's free list.
    heads: [u32; ORDERS],
    /// Bit `n` is set while the list of order `n` is not empty.
    non_empty: u32,
    used: u64,
    total: u64,
    /// Free frames that [`allocate`] leaves alone besides the reserve.
    promised: u64,
}

impl<'records> FrameAllocator<'records> {
    /// An allocator without memory; all records must be [`Frame::ABSENT`].
    pub(crate) fn new(frames: &'records mut [Frame]) -> Self {
        Self {
            frames,
            heads: [NONE; ORDERS],
            non_empty: 0,
            used: 0,
            total: 0,
            promised: 0,
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

    /// See [`allocate`].
    pub(crate) fn allocate(&mut self, pages: usize) -> Option<u64> {
        if pages == 0 || pages > 1 << (ORDERS - 1) {
            return None;
        }
        let wanted = pages.next_power_of_two().trailing_zeros();
        let fitting = self.non_empty >> wanted << wanted;
        if fitting == 0 {
            return None;
        }
        let order = fitting.trailing_zeros() as usize;
        let first = self.heads[order] as usize;
        self.unlink(first, order);
        for frame in &mut self.frames[first..first + pages] {
            frame.state = State::Used;
        }
        self.used += pages as u64;
        self.link_run(first + pages, (1 << order) - pages);
        Some(address(first))
    }

    /// See [`free`].
    pub(crate) fn free(&mut self, start: u64, pages: usize) {
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
        self.used -= pages as u64;
        self.link_run(first, pages);
    }

    /// Links a run of unlinked free frames as the largest aligned blocks.
    fn link_run(&mut self, mut first: usize, mut pages: usize) {
        while pages > 0 {
            let order = (first.trailing_zeros().min(pages.ilog2()) as usize).min(ORDERS - 1);
            self.link_block(first, order);
            first += 1 << order;
            pages -= 1 << order;
        }
    }

    /// Links one free block, merged with its buddies as far as they are free.
    fn link_block(&mut self, mut first: usize, mut order: usize) {
        while order < ORDERS - 1 {
            let buddy = first ^ (1 << order);
            let merges = self
                .frames
                .get(buddy)
                .is_some_and(|frame| frame.state == State::FreeBlock(order_byte(order)));
            if !merges {
                break;
            }
            self.unlink(buddy, order);
            first = first.min(buddy);
            order += 1;
        }
        let next = self.heads[order];
        self.frames[first] = Frame {
            next,
            previous: NONE,
            state: State::FreeBlock(order_byte(order)),
        };
        if let Some(frame) = self.frames.get_mut(next as usize) {
            frame.previous = link(first);
        }
        self.heads[order] = link(first);
        self.non_empty |= 1 << order;
    }

    /// Takes a free block off its list; its frames are free but unlinked then.
    fn unlink(&mut self, first: usize, order: usize) {
        let Frame { next, previous, .. } = self.frames[first];
        if let Some(frame) = self.frames.get_mut(next as usize) {
            frame.previous = previous;
        }
        match self.frames.get_mut(previous as usize) {
            Some(frame) => frame.next = next,
            None => self.heads[order] = next,
        }
        if self.heads[order] == NONE {
            self.non_empty &= !(1 << order);
        }
        self.frames[first].state = State::FreeInside;
    }
}

/// How many records `free` needs, and the memory for them: the start of the
/// largest range. `None` if there is no memory worth managing.
fn place_records(free: &[PhysicalRange]) -> Option<(usize, PhysicalRange)> {
    let ranges = || free.iter().map(|range| whole_pages(*range));
    let largest = ranges().max_by_key(|range| range.end - range.start)?;
    let records = frame_number(ranges().map(|range| range.end).max()?).min(NONE as usize);
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const FRAMES: usize = 300;

    fn range(first: usize, end: usize) -> PhysicalRange {
        PhysicalRange {
            start: address(first),
            end: address(end),
        }
    }

    /// Free lists and records agree, and no two free buddies are unmerged.
    fn check_lists(allocator: &FrameAllocator<'_>) {
        let mut linked = 0;
        for order in 0..ORDERS {
            let mut at = allocator.heads[order];
            assert_eq!(at == NONE, allocator.non_empty & (1 << order) == 0);
            let mut previous = NONE;
            while at != NONE {
                let frame = allocator.frames[at as usize];
                assert_eq!(frame.state, State::FreeBlock(order_byte(order)));
                assert_eq!(frame.previous, previous);
                assert_eq!(at as usize % (1 << order), 0, "blocks are aligned");
                for inside in at as usize + 1..at as usize + (1 << order) {
                    assert_eq!(allocator.frames[inside].state, State::FreeInside);
                }
                if let Some(buddy) = allocator.frames.get(at as usize ^ (1 << order)) {
                    assert_ne!(buddy.state, State::FreeBlock(order_byte(order)));
                }
                linked += 1 << order;
                (previous, at) = (at, frame.next);
            }
        }
        assert_eq!(linked, allocator.total - allocator.used);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Allocate(usize),
        /// Free all or the first part of one of the live runs.
        Free(prop::sample::Index, prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            prop_oneof![4 => 1..10_usize, 1 => 10..200_usize].prop_map(Step::Allocate),
            any::<(prop::sample::Index, prop::sample::Index)>()
                .prop_map(|(run, part)| Step::Free(run, part)),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_of_frames(steps in prop::collection::vec(step(), 0..200)) {
            let mut records = vec![Frame::ABSENT; FRAMES];
            let mut allocator = FrameAllocator::new(&mut records);
            allocator.add(range(0, 100));
            allocator.add(range(120, FRAMES));
            let usable = |frame: usize| (1..100).contains(&frame) || (120..FRAMES).contains(&frame);
            prop_assert_eq!(allocator.total, 279);
            let mut in_use = vec![false; FRAMES];
            let mut runs: Vec<(usize, usize)> = Vec::new();
            for step in steps {
                match step {
                    Step::Allocate(pages) => {
                        let size = pages.next_power_of_two();
                        let fits = |first: usize| (first..first + size)
                            .all(|frame| frame < FRAMES && usable(frame) && !in_use[frame]);
                        let possible = (0..FRAMES).step_by(size).any(fits);
                        let answer = allocator.allocate(pages);
                        prop_assert_eq!(answer.is_some(), possible);
                        let Some(start) = answer else { continue };
                        let first = frame_number(start);
                        prop_assert_eq!(first % size, 0);
                        let fresh = |frame| usable(frame) && !in_use[frame];
                        prop_assert!((first..first + pages).all(fresh));
                        in_use[first..first + pages].fill(true);
                        runs.push((first, pages));
                    }
                    Step::Free(run, part) if !runs.is_empty() => {
                        let (first, pages) = runs.swap_remove(run.index(runs.len()));
                        let freed = part.index(pages) + 1;
                        allocator.free(address(first), freed);
                        in_use[first..first + freed].fill(false);
                        if freed < pages {
                            runs.push((first + freed, pages - freed));
                        }
                    }
                    Step::Free(..) => {}
                }
                prop_assert_eq!(allocator.used, in_use.iter().filter(|used| **used).count() as u64);
                check_lists(&allocator);
            }
            for (first, pages) in runs {
                allocator.free(address(first), pages);
            }
            check_lists(&allocator);
            prop_assert_eq!(allocator.used, 0);
            prop_assert!(allocator.allocate(128).is_some(), "all blocks merged again");
        }
    }

    #[test]
    fn refuses_what_cannot_be() {
        let mut records = vec![Frame::ABSENT; 16];
        let mut allocator = FrameAllocator::new(&mut records);
        allocator.add(range(0, 100));
        assert_eq!(allocator.total, 15);
        assert_eq!(allocator.allocate(0), None);
        assert_eq!(allocator.allocate(16), None);
        assert_eq!(allocator.allocate(usize::MAX), None);
        assert!(allocator.allocate(8).is_some());
    }

    #[test]
    #[should_panic(expected = "freed frames are in use")]
    fn notices_a_second_free() {
        let mut records = vec![Frame::ABSENT; 16];
        let mut allocator = FrameAllocator::new(&mut records);
        allocator.add(range(0, 16));
        let start = allocator.allocate(2).expect("the memory is free");
        allocator.free(start, 2);
        allocator.free(start, 1);
    }

    #[test]
    fn places_its_records_in_the_largest_range() {
        let free = [range(0, 16), range(32, 4096)];
        let (records, place) = place_records(&free).expect("there is room");
        assert_eq!(records, 4096);
        assert_eq!((place.start, place.end), (address(32), address(32 + 12)));
        assert!(place_records(&[range(0, 1)]).is_none());
        assert!(place_records(&[]).is_none());
    }

    #[test]
    fn manages_memory_through_the_direct_map() {
        let memory = vec![0_u8; 64 * abi::PAGE_SIZE].leak();
        let base = (memory.as_ptr() as usize).next_multiple_of(abi::PAGE_SIZE);
        // SAFETY: the leaked bytes are ours for ever; the last page is left out
        // to make up for the alignment.
        unsafe { init(base, &[range(0, 63)]) };
        // 63 pages without page 0 and one page of records.
        assert_eq!((used(), total()), (0, 61));
        let frame = allocate_reserved(1).expect("the memory is free");
        let run = allocate(16).expect("the memory is free");
        assert_eq!(used(), 17);
        assert_eq!(run % (16 * PAGE_SIZE), 0);
        free_frame(frame);
        free(run, 16);
        assert_eq!(used(), 0);
        // What was promised is left alone, and free again when it is not wanted.
        let promise = promise(60).expect("the memory is free");
        assert!(allocate(2).is_none());
        let frame = allocate_reserved(1).expect("it was promised");
        drop(promise);
        assert!(allocate(2).is_some_and(|run| used() == 3 && {
            free(run, 2);
            true
        }));
        free_frame(frame);
        assert_eq!(used(), 0);
    }
}
