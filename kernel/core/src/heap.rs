//! The kernel's own heap: size classes over page frames.
//!
//! What a domain asks the kernel for may need memory, and there may be none: then the
//! request fails, and never the kernel. So whatever is allocated in a domain's name is
//! asked for by what can fail ([`try_box`], [`try_copy`], `try_reserve`), or is set
//! aside before ([`SetAside`]) where a library's map cannot fail. What is needed to end
//! a domain and to give back what it had needs no memory. The reserve of page frames is
//! for the kernel's own threads and for what was set aside.
//!
//! Small blocks come from power-of-two classes whose pages stay with the class;
//! larger ones take page frames directly and give them back. Memory of the
//! classes is not returned, so the audit counts bytes in use, not pages.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::PAGE_SIZE;

use crate::domain::{self, Domain};
use crate::sync::SpinLock;
use crate::{famine, frames, memory, thread};

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

/// A box for a value; `None`: no memory.
pub(crate) fn try_box<T>(value: T) -> Option<Box<T>> {
    const { assert!(size_of::<T>() != 0) };
    let layout = Layout::new::<T>();
    // SAFETY: the size is not 0; the memory is fresh, fits, and belongs to the box.
    unsafe {
        let place = alloc::alloc::alloc(layout).cast::<T>();
        if place.is_null() {
            return None;
        }
        place.write(value);
        Some(Box::from_raw(place))
    }
}

/// Makes room for one more; `None`: no memory.
pub(crate) fn try_push<T>(list: &mut Vec<T>, value: T) -> Option<()> {
    list.try_reserve(1).ok()?;
    list.push(value);
    Some(())
}

/// Page frames for some small blocks, set aside for a change that cannot fail: one
/// entry more in a map, or one shared object.
#[derive(Debug)]
pub(crate) struct SetAside(#[expect(dead_code, reason = "kept until it is spent")] frames::Promise);

/// A node of each of the two sizes that a map has, and one to spare: eight or more
/// blocks of each, and a map splits no more nodes than it is deep.
const SET_ASIDE_PAGES: usize = 3;

impl SetAside {
    /// Sets memory aside; `None`: there is none.
    pub(crate) fn new() -> Option<Self> {
        if famine::strikes() {
            return None;
        }
        frames::promise(SET_ASIDE_PAGES).map(Self)
    }

    /// Makes the change.
    pub(crate) fn spend<R>(self, change: impl FnOnce() -> R) -> R {
        with_reserve(change)
    }
}

/// Lets what is allocated have of the reserve. It must be bounded, or set aside.
pub(crate) fn with_reserve<R>(allocate: impl FnOnce() -> R) -> R {
    let thread = thread::current();
    let was_spending = thread.spends.swap(true, Ordering::Relaxed);
    let result = allocate();
    thread.spends.store(was_spending, Ordering::Relaxed);
    result
}

/// The domain in whose name memory is asked for; `None`: it is for the kernel, or was
/// set aside.
pub(crate) fn asker() -> Option<&'static Domain> {
    let current = domain::current();
    // Before there are threads the kernel is alone.
    let is_domain = !current.is_kernel() && !thread::current().spends.load(Ordering::Relaxed);
    is_domain.then_some(current)
}

/// Page frames, of the reserve only if no domain asks for them.
pub(crate) fn allocate_frames(pages: usize) -> Option<u64> {
    match asker() {
        Some(_) => frames::allocate(pages),
        None => frames::allocate_reserved(pages),
    }
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
    let Some(frame) = allocate_frames(1) else {
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
    // A list that grows gets what is left; an image has to do without.
    let frame = match pages {
        ..=RESERVED_PAGES => allocate_frames(pages),
        _ => frames::allocate(pages),
    };
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
        if famine::strikes() {
            return null_mut();
        }
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
