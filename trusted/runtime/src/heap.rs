//! The domain's private heap.
//!
//! Small requests are served by `talc` from regions of 16 KiB and more that the
//! kernel maps; large ones get pages of their own, which go back when freed.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

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

/// Bytes of the heap that are in use, as far as they have pages of their own. Nobody
/// relies on it but those who want to stay below their quota.
static LARGE_BYTES: AtomicUsize = AtomicUsize::new(0);
/// The others; written with the heap locked.
static SMALL_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes of the domain's heap that are in use. It ends when they are more than its
/// quota, together with what the heap keeps and with its image, stacks and devices: so
/// whoever collects what others make should know when to stop.
#[must_use]
pub fn used() -> usize {
    let small = SMALL_BYTES.load(Ordering::Relaxed);
    small.saturating_add(LARGE_BYTES.load(Ordering::Relaxed))
}

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
            let block = map(layout.size());
            if !block.is_null() {
                LARGE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
            }
            return block;
        }
        let mut small = self.small.lock();
        // SAFETY: `GlobalAlloc` is not asked for zero bytes.
        let Some(block) = (unsafe { small.allocate(layout) }) else {
            return ptr::null_mut();
        };
        count_small(layout.size(), 0);
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` with the same layout, hence from
        // where the layout says.
        unsafe {
            if is_large(layout) {
                (services().pages_unmap)(block, layout.size().div_ceil(PAGE_SIZE));
                LARGE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
            } else {
                let mut small = self.small.lock();
                small.deallocate(block, layout);
                count_small(0, layout.size());
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
            let mut small = self.small.lock();
            // SAFETY: the block came from `talc` with this layout.
            if unsafe { small.try_realloc_in_place(block, layout, size) } {
                count_small(size, layout.size());
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

/// Counts what was taken and given back, with the heap locked.
fn count_small(taken: usize, given_back: usize) {
    let used = SMALL_BYTES.load(Ordering::Relaxed);
    let used = used.wrapping_add(taken).wrapping_sub(given_back);
    SMALL_BYTES.store(used, Ordering::Relaxed);
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
