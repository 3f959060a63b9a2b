//! The domain's private heap.
//!
//! Small requests are served by `talc` from regions of 16 KiB and more that the
//! kernel maps; large ones get pages of their own, which go back when freed.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use abi::PAGE_SIZE;
use exchange::thread::services;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

use crate::sync::Mutex;

/// From this size on, a request gets pages of its own.
const LARGE: usize = 32 * 1024;
/// The first region has this many bytes; each further one up to twice as many
/// as the last.
const FIRST_REGION: usize = 16 * 1024;
/// No region is larger, unless one request is.
const LARGEST_REGION: usize = 1024 * 1024;

#[cfg(redleaf_image)]
#[global_allocator]
static HEAP: Heap = Heap::new();

/// An allocator over pages of the kernel.
pub struct Heap {
    small: Mutex<Talc<Regions, talc::DefaultBinning>>,
}

impl Heap {
    /// An empty heap.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            small: Mutex::new(Talc::new(Regions { next: FIRST_REGION })),
        }
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE_SIZE
}

// SAFETY: `talc` and the kernel hand out memory that fits the layout and is not
// in use; the mutex gives one thread at a time access.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(layout.size());
        }
        // SAFETY: `GlobalAlloc` is not asked for zero bytes.
        unsafe { self.small.lock().allocate(layout) }.map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` with the same layout, hence from
        // where the layout says.
        unsafe {
            if is_large(layout) {
                (services().pages_unmap)(block, layout.size().div_ceil(PAGE_SIZE));
            } else {
                self.small.lock().deallocate(block, layout);
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { self.alloc(layout) };
        // Fresh pages are zeroed.
        if !block.is_null() && !is_large(layout) {
            // SAFETY: the block has this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: `size` is a valid size for this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if !is_large(layout) && !is_large(new_layout) {
            // SAFETY: the block came from `talc` with this layout.
            if unsafe { self.small.lock().try_realloc_in_place(block, layout, size) } {
                return block;
            }
        }
        // SAFETY: old and new block are apart and at least that long.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// Maps zeroed pages for `bytes`; null: no memory.
fn map(bytes: usize) -> *mut u8 {
    // SAFETY: every domain may ask for memory, within its quota.
    (unsafe { services() }.pages_map)(bytes.div_ceil(PAGE_SIZE))
}

/// Where `talc` gets further memory.
#[derive(Debug)]
struct Regions {
    next: usize,
}

// SAFETY: it claims fresh pages only and does not touch the allocator otherwise.
unsafe impl Source for Regions {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let overhead = 4 * PAGE_SIZE;
        let wanted = layout.size().checked_add(layout.align()).ok_or(())?;
        let mut bytes = talc.source.next;
        if wanted > bytes / 2 {
            bytes = wanted
                .checked_add(overhead)
                .ok_or(())?
                .next_multiple_of(PAGE_SIZE);
        }
        let region = map(bytes);
        if region.is_null() {
            return Err(());
        }
        talc.source.next = (talc.source.next * 2).min(LARGEST_REGION);
        // SAFETY: fresh pages nobody else knows.
        unsafe { talc.claim(region, bytes) }.map(drop).ok_or(())
    }
}
