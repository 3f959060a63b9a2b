//! Memory that programs do not get: for services that work, or come back.
//!
//! Programs can take all memory there is, and again whatever becomes free. A service that
//! died then would not come back, and the system would end. So a run of frames is kept for
//! threads of services, which have it once the rest is used up: those on which services
//! start, and their own. A service that works on a call of a program does so on the
//! program's thread, and gets no more than that. It is a run of its own, so that what
//! programs leave in pieces of a page or two does not keep a service from larger ones.

use super::sealed::{CHUNK_PAGES, LARGEST_ORDER};
use super::{FrameAllocator, Zone, frame_number};

/// Part of all memory.
const PART: u64 = 64;
/// Most chunks, 16 MiB.
const MOST_CHUNKS: u64 = 8;
/// With less memory in all, 16 MiB, nothing is kept.
const LEAST_TOTAL: u64 = 4096;

impl FrameAllocator<'_> {
    /// Keeps memory for services: one in 64, a chunk or more.
    ///
    /// Chunks, of which larger blocks are not made, so that none is merged with one next
    /// to it, which is everybody's.
    pub(super) fn keep_for_services(&mut self) {
        const { assert!(1 << LARGEST_ORDER < CHUNK_PAGES) };
        if self.total < LEAST_TOTAL {
            return;
        }
        let chunks = (self.total / PART).div_ceil(CHUNK_PAGES as u64);
        let chunks = chunks.next_power_of_two().min(MOST_CHUNKS);
        let pages = chunks as usize * CHUNK_PAGES;
        // Aligned to its length.
        if let Some(start) = self.allocate(pages) {
            let first = frame_number(start);
            self.kept = first..first + pages;
            self.give_back(Zone::Services, start, pages);
        }
    }
}
