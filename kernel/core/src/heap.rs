//! The kernel's own heap: size classes over page frames.
//!
//! Small blocks come from power-of-two classes whose pages stay with the class;
//! larger ones take page frames directly and give them back. Memory of the
//! classes is not returned, so the audit counts bytes in use, not pages.

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::PAGE_SIZE;

use crate::sync::SpinLock;
use crate::{frames, memory};

const SMALLEST: usize = 16;
const CLASSES: usize = 8;

/// Most pages that come from the kernel's reserve at a time.
const RESERVED_PAGES: usize = 64;

/// The kernel's global allocator; a machine's crate declares it.
#[derive(Debug, Default)]
pub struct KernelHeap;

struct FreeBlock {
    next: *mut FreeBlock,
}

struct Class {
    free: *mut FreeBlock,
}

// SAFETY: the blocks of a class are reached through its lock only.
unsafe impl Send for Class {}

static HEAP_CLASSES: [SpinLock<Class>; CLASSES] =
    [const { SpinLock::new(Class { free: null_mut() }) }; CLASSES];
static BYTES: AtomicU64 = AtomicU64::new(0);
static PAGES: AtomicU64 = AtomicU64::new(0);

/// Bytes of kernel heap in use.
#[must_use]
pub fn bytes_in_use() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

/// Page frames the heap holds.
#[must_use]
pub fn pages_held() -> u64 {
    PAGES.load(Ordering::Relaxed)
}

/// A copy of what a domain handed over, as long as that may be; `None`: no memory.
pub(crate) fn try_copy<T: Copy>(from: &[T]) -> Option<Vec<T>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(from.len()).ok()?;
    copy.extend_from_slice(from);
    Some(copy)
}

/// Class of a layout, if it is small: classes are 16, 32, … 2,048 bytes.
fn class_of(layout: Layout) -> Option<usize> {
    let bytes = layout
        .size()
        .max(layout.align())
        .max(SMALLEST)
        .next_power_of_two();
    let class = (bytes / SMALLEST).trailing_zeros() as usize;
    (class < CLASSES).then_some(class)
}

fn pages_of(layout: Layout) -> usize {
    layout.size().div_ceil(PAGE_SIZE)
}

fn refill(class: &mut Class, block_bytes: usize) -> bool {
    let Some(frame) = frames::allocate_reserved(1) else {
        return false;
    };
    PAGES.fetch_add(1, Ordering::Relaxed);
    let page = memory::direct(frame);
    for offset in (0..PAGE_SIZE).step_by(block_bytes) {
        // SAFETY: the block lies in the fresh page, aligned to its size.
        unsafe {
            let block = page.add(offset).cast::<FreeBlock>();
            block.write(FreeBlock { next: class.free });
            class.free = block;
        }
    }
    true
}

fn allocate_small(index: usize) -> *mut u8 {
    let mut class = HEAP_CLASSES[index].lock();
    let bytes = SMALLEST << index;
    if class.free.is_null() && !refill(&mut class, bytes) {
        return null_mut();
    }
    let block = class.free;
    // SAFETY: free blocks hold a valid link and belong to the class.
    class.free = unsafe { (*block).next };
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    block.cast()
}

fn allocate_large(layout: Layout) -> *mut u8 {
    if layout.align() > PAGE_SIZE {
        return null_mut();
    }
    let pages = pages_of(layout);
    let frame = frames::allocate(pages);
    // A list that grows gets what is left; an image has to do without.
    let frame = frame.or_else(|| match pages {
        ..=RESERVED_PAGES => frames::allocate_reserved(pages),
        _ => None,
    });
    let Some(frame) = frame else {
        return null_mut();
    };
    PAGES.fetch_add(pages as u64, Ordering::Relaxed);
    BYTES.fetch_add((pages * PAGE_SIZE) as u64, Ordering::Relaxed);
    memory::direct(frame)
}

// SAFETY: blocks are disjoint, aligned to their class size (or pages), and
// live until freed.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout) {
            Some(class) => allocate_small(class),
            None => allocate_large(layout),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(index) = class_of(layout) else {
            let pages = pages_of(layout);
            PAGES.fetch_sub(pages as u64, Ordering::Relaxed);
            BYTES.fetch_sub((pages * PAGE_SIZE) as u64, Ordering::Relaxed);
            return frames::free(memory::physical(block), pages);
        };
        let mut class = HEAP_CLASSES[index].lock();
        let block = block.cast::<FreeBlock>();
        // SAFETY: the caller gives the block back; it has room for a link.
        unsafe { block.write(FreeBlock { next: class.free }) };
        class.free = block;
        BYTES.fetch_sub((SMALLEST << index) as u64, Ordering::Relaxed);
    }
}
