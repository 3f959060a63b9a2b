//! Physical region pages: where a command's data is (NVMe 1.4, section 4.3).

use alloc::vec::Vec;

use hardware::{DmaRegion, Lent, Platform, Towards};

use crate::command::Prps;

/// Page of the controller as the driver configures it.
pub const PAGE_BYTES: usize = 4096;
/// Longest transfer the driver makes: its list of pages fits one page.
pub const MAX_TRANSFER_BYTES: usize = PAGE_BYTES / 8 * PAGE_BYTES;
/// Data starts at a multiple of this.
pub const ALIGN: usize = 4;
/// Pages in one region of lists.
const REGION_PAGES: usize = 16;

/// One list of pages per command, made in advance.
#[derive(Debug)]
pub struct PrpLists {
    regions: Vec<DmaRegion>,
    words: usize,
}

impl PrpLists {
    /// `count` lists for transfers of up to `max_bytes`, at most
    /// [`MAX_TRANSFER_BYTES`]. `None`: no memory.
    pub fn new(platform: &impl Platform, count: usize, max_bytes: usize) -> Option<Self> {
        // Unaligned data touches one page more than its length asks for; the
        // first is in PRP 1. A power of two, so no list crosses a page.
        let words = (max_bytes / PAGE_BYTES).max(1).next_power_of_two();
        let in_region = REGION_PAGES * PAGE_BYTES / 8 / words;
        let regions = (0..count.div_ceil(in_region)).map(|_| platform.allocate(REGION_PAGES));
        Some(Self {
            regions: regions.collect::<Option<_>>()?,
            words,
        })
    }

    /// The region of a list, its first word there, and its physical address.
    fn list(&self, number: usize) -> (&DmaRegion, usize, u64) {
        let in_region = REGION_PAGES * PAGE_BYTES / 8 / self.words;
        let region = &self.regions[number / in_region];
        let first = number % in_region * self.words;
        (region, first, region.physical() + first as u64 * 8)
    }

    /// Describes a lent buffer, with list `number` if it takes more than two pages. Its
    /// bytes are not 0 and at most the longest transfer. `None`: part of it is not mapped.
    #[inline]
    pub fn describe<D: Towards>(
        &self,
        platform: &impl Platform,
        number: usize,
        lent: &Lent<'_, D>,
    ) -> Option<Prps> {
        let (first, bytes) = (lent.address(), lent.bytes());
        let in_first = PAGE_BYTES - first as usize % PAGE_BYTES;
        if lent.is_contiguous() || bytes <= in_first {
            return Some(self.describe_physical(number, first, bytes));
        }
        let mut rest = lent.pages(platform).skip(1);
        if bytes - in_first <= PAGE_BYTES {
            return Some(Prps(first, rest.next()??.address));
        }
        let (region, word, list) = self.list(number);
        for (index, run) in rest.enumerate() {
            region.write(word + index, run?.address);
        }
        Some(Prps(first, list))
    }

    /// Describes contiguous data at a physical address, a multiple of four.
    #[inline]
    #[must_use]
    pub fn describe_physical(&self, number: usize, first: u64, bytes: usize) -> Prps {
        let page = PAGE_BYTES as u64;
        let in_first = PAGE_BYTES - first as usize % PAGE_BYTES;
        let second = first + in_first as u64;
        if bytes <= in_first {
            return Prps(first, 0);
        }
        let pages = (bytes - in_first).div_ceil(PAGE_BYTES);
        if pages == 1 {
            return Prps(first, second);
        }
        let (region, word, list) = self.list(number);
        for (index, address) in (second..).step_by(page as usize).take(pages).enumerate() {
            region.write(word + index, address);
        }
        Prps(first, list)
    }
}
