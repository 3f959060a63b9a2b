//! Memory for blocks, laid out so that a device can use it in place.
//!
//! A device behind an IOMMU is lent whole pages. So a block of 4 KiB is a page, and what
//! is transferred as one begins at a page.

use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a page, and of the largest block.
const PAGE_BYTES: usize = 4096;
/// Pages that are allocated at a time: single pages would cost a heap two each.
const PAGES_AT_ONCE: usize = 16;

#[derive(Clone)]
#[repr(align(4096))]
struct Page([u8; PAGE_BYTES]);

/// Numbered blocks.
pub(crate) struct Blocks {
    pages: Vec<Vec<Page>>,
    block_bytes: usize,
    in_page: usize,
}

impl Blocks {
    /// No blocks; `block_bytes` is a part of a page.
    pub fn new(block_bytes: usize) -> Self {
        Self {
            pages: Vec::new(),
            block_bytes,
            in_page: (PAGE_BYTES / block_bytes).max(1),
        }
    }

    /// Makes sure that there are `count` blocks; new ones are zero.
    pub fn make_room(&mut self, count: usize) {
        while self.pages.len() * PAGES_AT_ONCE * self.in_page < count {
            self.pages.push(vec![Page([0; PAGE_BYTES]); PAGES_AT_ONCE]);
        }
    }

    pub fn get(&self, index: usize) -> &[u8] {
        let (page, start) = self.place(index);
        let page = &self.pages[page / PAGES_AT_ONCE][page % PAGES_AT_ONCE];
        &page.0[start..start + self.block_bytes]
    }

    pub fn get_mut(&mut self, index: usize) -> &mut [u8] {
        let (page, start) = self.place(index);
        let page = &mut self.pages[page / PAGES_AT_ONCE][page % PAGES_AT_ONCE];
        &mut page.0[start..start + self.block_bytes]
    }

    /// The page of a block, and where in it the block begins.
    const fn place(&self, index: usize) -> (usize, usize) {
        let start = index % self.in_page * self.block_bytes;
        (index / self.in_page, start)
    }
}

/// A buffer for transfers of several blocks, which begins at a page. Its bytes are
/// whatever they were.
#[derive(Default)]
pub(crate) struct Staging {
    bytes: Vec<u8>,
}

impl Staging {
    pub fn get_mut(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() < length + PAGE_BYTES {
            self.bytes = vec![0; length + PAGE_BYTES];
        }
        let address = self.bytes.as_ptr().addr();
        let start = address.next_multiple_of(PAGE_BYTES) - address;
        &mut self.bytes[start..start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_apart_and_those_of_a_page_are_pages() {
        for block_bytes in [1024, 2048, 4096] {
            let mut blocks = Blocks::new(block_bytes);
            for index in 0..100 {
                blocks.make_room(index + 1);
                assert!(blocks.get(index).iter().all(|byte| *byte == 0));
                blocks.get_mut(index).fill(index as u8 + 1);
            }
            for index in 0..100 {
                let block = blocks.get(index);
                assert_eq!(block.len(), block_bytes);
                assert!(block.iter().all(|byte| *byte == index as u8 + 1));
                assert!(block.as_ptr().addr().is_multiple_of(block_bytes));
            }
        }
    }

    #[test]
    fn what_is_staged_begins_at_a_page_whatever_its_length() {
        let mut staging = Staging::default();
        for length in [1024, 262_144, 4096, 8192, 500_000] {
            let bytes = staging.get_mut(length);
            assert_eq!(bytes.len(), length);
            assert!(bytes.as_ptr().addr().is_multiple_of(PAGE_BYTES));
        }
    }
}
