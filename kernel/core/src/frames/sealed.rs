//! Sealed memory: frames that nobody can write to through the direct map.
//!
//! Page tables, and the code and constants of images, lie in chunks of 2 MiB that the
//! machine maps read-only in the direct map, so that large pages stay whole. A chunk
//! belongs to the sealed lists of the frame allocator as long as one of its frames is
//! in use, and one free chunk is kept, so that the end of a domain does not unseal what
//! the next one's start seals again. Contents get there by
//! [`Machine::write_sealed`](crate::machine::Machine::write_sealed) and by nothing else.
//!
//! **Invariant:** a frame is sealed before it holds a page table or code, and unsealed
//! after the last use of its whole chunk.

use super::{FRAMES, FrameAllocator, State, Zone, frame_number, order_byte};
use crate::heap;
use crate::machine::{self, SealedMemory};

/// Pages of a chunk.
pub(super) const CHUNK_PAGES: usize = 512;
/// Bytes of a chunk, and its alignment: a large page.
pub const CHUNK_BYTES: u64 = CHUNK_PAGES as u64 * super::PAGE_SIZE;
/// Half a chunk. Larger blocks are not made, so that a chunk is never merged with one
/// next to it, which may not be sealed.
pub(super) const LARGEST_ORDER: usize = 8;
/// Free frames that requests in a domain's name leave: for the kernel's own mappings.
const RESERVED_PAGES: u64 = 64;
/// Free frames above which whole chunks are given back.
const MOST_FREE: u64 = 2 * CHUNK_PAGES as u64;

impl FrameAllocator<'_> {
    /// Adds sealed memory that the machine has used a part of.
    pub(super) fn add_sealed(&mut self, memory: SealedMemory) {
        let (first, end) = (frame_number(memory.all.start), frame_number(memory.all.end));
        let end = end.min(self.frames.len());
        if first >= end {
            return;
        }
        for frame in &mut self.frames[first..end] {
            assert!(
                frame.state == State::Absent,
                "sealed memory is not listed as free"
            );
            frame.state = State::Used;
        }
        let pages = (end - first) as u64;
        self.total += pages;
        self.used += pages;
        let free = frame_number(memory.free.end) - frame_number(memory.free.start);
        self.give_back(Zone::Sealed, memory.free.start, free);
    }

    /// Takes a chunk without a frame in use off the sealed lists.
    pub(super) fn take_free_chunk(&mut self) -> Option<u64> {
        let half = 1 << LARGEST_ORDER;
        let mut at = self.sealed.heads[LARGEST_ORDER];
        while let Some(frame) = self.frames.get(at as usize) {
            let (first, next) = (at as usize, frame.next);
            let buddy = first ^ half;
            let is_free =
                |frame: &super::Frame| frame.state == State::FreeBlock(order_byte(LARGEST_ORDER));
            if self.frames.get(buddy).is_some_and(is_free) {
                self.unlink(Zone::Sealed, first, LARGEST_ORDER);
                self.unlink(Zone::Sealed, buddy, LARGEST_ORDER);
                let start = first.min(buddy);
                for frame in &mut self.frames[start..start + CHUNK_PAGES] {
                    frame.state = State::Used;
                }
                return Some(super::address(start));
            }
            at = next;
        }
        None
    }

    fn take_sealed(&mut self, pages: usize) -> Option<u64> {
        let is_for_domain = heap::asker().is_some();
        let kept = if is_for_domain { RESERVED_PAGES } else { 0 };
        (self.sealed.free >= kept + pages as u64).then(|| self.take(Zone::Sealed, pages))?
    }
}

/// Allocates a sealed frame for a page table. `None`: [`grow`], and try again. It
/// seals nothing itself, since that changes page tables.
#[must_use]
pub fn allocate_table() -> Option<u64> {
    FRAMES.lock().as_mut()?.take_sealed(1)
}

/// Frees a frame of [`allocate_table`].
///
/// # Panics
/// If it is not allocated.
pub fn free_table(address: u64) {
    give_back(address, 1);
}

/// Seals one more chunk; false: there is no memory. Not called with the lock of the
/// page tables.
#[must_use]
pub fn grow() -> bool {
    seal(CHUNK_PAGES, 0).is_some()
}

/// Allocates contiguous sealed frames, contents undefined.
pub(crate) fn allocate_sealed(pages: usize) -> Option<u64> {
    let is_small = pages <= 1 << LARGEST_ORDER;
    let from_chunk = || FRAMES.lock().as_mut()?.take_sealed(pages);
    if is_small && let Some(start) = from_chunk() {
        return Some(start);
    }
    seal(pages.next_multiple_of(CHUNK_PAGES), pages)
}

/// Seals so many pages, whole chunks, of which the first `taken` are in use at once.
fn seal(pages: usize, taken: usize) -> Option<u64> {
    let start = heap::allocate_frames(pages)?;
    // A run of several chunks is aligned to the next power of two: to a chunk.
    machine::get().seal(start, pages, true);
    let rest = start + (taken * abi::PAGE_SIZE) as u64;
    give_back(rest, pages - taken);
    Some(start)
}

/// Frees frames of [`allocate_sealed`], and unseals chunks that nobody needs.
pub(crate) fn free_sealed(address: u64, pages: usize) {
    give_back(address, pages);
    trim();
}

fn give_back(address: u64, pages: usize) {
    FRAMES
        .lock()
        .as_mut()
        .expect("frames are freed after `init` only")
        .give_back(Zone::Sealed, address, pages);
}

/// Unseals chunks that nobody needs. Not called with the lock of the page tables.
pub(crate) fn trim() {
    while let Some(chunk) = take_superfluous() {
        machine::get().seal(chunk, CHUNK_PAGES, false);
        super::free(chunk, CHUNK_PAGES);
    }
}

fn take_superfluous() -> Option<u64> {
    let mut frames = FRAMES.lock();
    let frames = frames.as_mut()?;
    let is_much = frames.sealed.free >= MOST_FREE;
    is_much.then(|| frames.take_free_chunk())?
}
