//! The exchange heap: objects with one owner each, reclaimed by description.
//!
//! Small objects are blocks of slabs. Each CPU has a list of free blocks per
//! size class that only its own threads touch, with pre-emption off, so
//! allocation and free take no lock and share no cache line; lists are filled
//! and emptied in batches. Large objects take page frames of their own. To
//! reclaim what a dead domain owned, all headers are looked at: moves of
//! ownership thereby stay a single store.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use abi::PAGE_SIZE;
use abi::exchange::{ObjectHeader, ObjectKind, ProxyObject};
use abi::services::ExchangeRequest;

use crate::cpu::{self, MAX_CPUS};
use crate::memory;
use crate::sync::{PreemptOff, SpinLock};

const HEADER: usize = size_of::<ObjectHeader>();
/// Bytes of the smallest block, header included.
const SMALLEST: usize = 128;
/// Block sizes are 128, 256, … 8,192 bytes.
const CLASSES: usize = 7;
/// Class number of large objects.
const LARGE: u32 = u32::MAX;
const SLAB_PAGES: usize = 16;
/// Blocks moved between a CPU's list and the pool at a time.
const BATCH: usize = 32;

struct FreeBlock {
    /// Lies where `ObjectHeader::owner` does, and stays 0: the block is free.
    _owner: u64,
    next: *mut FreeBlock,
}

#[derive(Clone, Copy)]
struct FreeList {
    first: *mut FreeBlock,
    count: usize,
}

impl FreeList {
    const EMPTY: Self = Self {
        first: core::ptr::null_mut(),
        count: 0,
    };

    fn push(&mut self, block: *mut FreeBlock) {
        // SAFETY: free blocks belong to the list they are pushed on.
        unsafe { (*block).next = self.first };
        self.first = block;
        self.count += 1;
    }

    fn pop(&mut self) -> Option<*mut FreeBlock> {
        let block = self.first;
        if block.is_null() {
            return None;
        }
        // SAFETY: a block on the list is free and linked.
        self.first = unsafe { (*block).next };
        self.count -= 1;
        Some(block)
    }
}

#[repr(align(128))]
struct CpuLists {
    lists: UnsafeCell<[FreeList; CLASSES]>,
    objects: AtomicI64,
}

// SAFETY: the lists are touched by the CPU's own threads with pre-emption off.
unsafe impl Sync for CpuLists {}

struct Pool {
    free: [FreeList; CLASSES],
    slabs: Vec<(usize, usize)>,
    large: BTreeMap<usize, usize>,
}

// SAFETY: blocks in the pool are reached through its lock only.
unsafe impl Send for Pool {}

static CPUS: [CpuLists; MAX_CPUS] = [const {
    CpuLists {
        lists: UnsafeCell::new([FreeList::EMPTY; CLASSES]),
        objects: AtomicI64::new(0),
    }
}; MAX_CPUS];
static POOL: SpinLock<Pool> = SpinLock::new(Pool {
    free: [FreeList::EMPTY; CLASSES],
    slabs: Vec::new(),
    large: BTreeMap::new(),
});
static PAGES: AtomicU64 = AtomicU64::new(0);

/// Page frames of slabs; those of large objects count as frames in use.
#[must_use]
pub fn pages_held() -> u64 {
    PAGES.load(Ordering::Relaxed)
}

/// Objects there are.
#[must_use]
pub fn objects() -> u64 {
    let sum: i64 = CPUS
        .iter()
        .map(|cpu| cpu.objects.load(Ordering::Relaxed))
        .sum();
    u64::try_from(sum).unwrap_or(0)
}

/// Class of a request, if it fits a block. Blocks are aligned to their size,
/// the payload to the header's.
fn class_of(request: &ExchangeRequest) -> Option<usize> {
    if request.align > HEADER {
        return None;
    }
    let bytes = request
        .size
        .checked_add(HEADER)?
        .max(SMALLEST)
        .next_power_of_two();
    let class = (bytes / SMALLEST).trailing_zeros() as usize;
    (class < CLASSES).then_some(class)
}

/// Allocates an object for `owner`; its payload, or null when memory is out.
#[must_use]
pub fn allocate(request: &ExchangeRequest, owner: u64) -> *mut u8 {
    let Some(class) = class_of(request) else {
        return allocate_large(request, owner);
    };
    let preempt = PreemptOff::new();
    let cpu = &CPUS[cpu::index()];
    // SAFETY: this CPU's lists, pre-emption is off.
    let list = unsafe { &mut (*cpu.lists.get())[class] };
    if list.first.is_null() {
        refill(list, class);
    }
    let Some(block) = list.pop() else {
        return core::ptr::null_mut();
    };
    cpu.objects.fetch_add(1, Ordering::Relaxed);
    #[expect(clippy::cast_possible_truncation, reason = "below CLASSES")]
    let header = new_header(request, class as u32);
    let payload = place(block.cast(), header, owner);
    drop(preempt);
    payload
}

const fn new_header(request: &ExchangeRequest, class: u32) -> ObjectHeader {
    ObjectHeader {
        owner: AtomicU64::new(0),
        lender: AtomicU64::new(0),
        fingerprint: request.fingerprint,
        size: request.size,
        length: request.length,
        kind: core::sync::atomic::AtomicU32::new(ObjectKind::Data as u32),
        class,
        reserved: [0; 2],
    }
}

/// Writes a header, the owner last: from then on the object exists.
fn place(at: *mut ObjectHeader, header: ObjectHeader, owner: u64) -> *mut u8 {
    // SAFETY: `at` starts a free block or fresh pages with room for it.
    unsafe {
        at.write(header);
        (*at).owner.store(owner, Ordering::Release);
        at.add(1).cast()
    }
}

fn refill(list: &mut FreeList, class: usize) {
    let mut pool = POOL.lock();
    if pool.free[class].first.is_null() {
        add_slab(&mut pool, class);
    }
    for _ in 0..BATCH {
        let Some(block) = pool.free[class].pop() else {
            return;
        };
        list.push(block);
    }
}

fn add_slab(pool: &mut Pool, class: usize) {
    let Some(frame) = crate::frames::allocate(SLAB_PAGES) else {
        return;
    };
    PAGES.fetch_add(SLAB_PAGES as u64, Ordering::Relaxed);
    let start = memory::direct(frame);
    for offset in (0..SLAB_PAGES * PAGE_SIZE).step_by(SMALLEST << class) {
        // SAFETY: the block lies in the fresh slab.
        unsafe {
            let block = start.add(offset).cast::<FreeBlock>();
            block.write(FreeBlock {
                _owner: 0,
                next: core::ptr::null_mut(),
            });
            pool.free[class].push(block);
        }
    }
    pool.slabs.push((start as usize, class));
}

/// Pages of a large object: the payload starts on a page of its own, the
/// header ends the page before.
fn large_pages(size: usize) -> Option<usize> {
    size.checked_add(2 * PAGE_SIZE - 1)
        .map(|bytes| bytes / PAGE_SIZE)
}

fn allocate_large(request: &ExchangeRequest, owner: u64) -> *mut u8 {
    let pages = large_pages(request.size).filter(|_| request.align <= PAGE_SIZE);
    let Some(frame) = pages.and_then(crate::frames::allocate) else {
        return core::ptr::null_mut();
    };
    let at = memory::direct(frame)
        .wrapping_add(PAGE_SIZE - HEADER)
        .cast::<ObjectHeader>();
    let payload = place(at, new_header(request, LARGE), owner);
    let mut pool = POOL.lock();
    pool.large.insert(payload as usize, pages.unwrap_or(0));
    CPUS[cpu::index()].objects.fetch_add(1, Ordering::Relaxed);
    payload
}

/// Frees an object by its payload.
///
/// # Safety
/// `payload` must be a live object that nobody uses any more.
pub unsafe fn free(payload: *mut u8) {
    let header = payload.cast::<ObjectHeader>().wrapping_sub(1);
    // SAFETY: a live object has its header in front.
    let class = unsafe {
        (*header).owner.store(0, Ordering::Release);
        (*header).class
    };
    if class == LARGE {
        return free_large(payload);
    }
    let class = class as usize;
    let preempt = PreemptOff::new();
    let cpu = &CPUS[cpu::index()];
    cpu.objects.fetch_sub(1, Ordering::Relaxed);
    // SAFETY: this CPU's lists, pre-emption is off.
    let list = unsafe { &mut (*cpu.lists.get())[class] };
    list.push(header.cast());
    if list.count >= 2 * BATCH {
        flush(list, class);
    }
    drop(preempt);
}

fn flush(list: &mut FreeList, class: usize) {
    let mut pool = POOL.lock();
    for _ in 0..BATCH {
        let Some(block) = list.pop() else {
            return;
        };
        pool.free[class].push(block);
    }
}

fn free_large(payload: *mut u8) {
    let mut pool = POOL.lock();
    let pages = pool.large.remove(&(payload as usize));
    CPUS[cpu::index()].objects.fetch_sub(1, Ordering::Relaxed);
    drop(pool);
    if let Some(pages) = pages {
        crate::frames::free(memory::physical(payload) - PAGE_SIZE as u64, pages);
    }
}

/// Calls `visit` with every live object's header.
pub(crate) fn for_each(visit: &mut dyn FnMut(&'static ObjectHeader)) {
    let (slabs, large) = {
        let pool = POOL.lock();
        let large: Vec<usize> = pool.large.keys().copied().collect();
        (pool.slabs.clone(), large)
    };
    for (start, class) in slabs {
        for offset in (0..SLAB_PAGES * PAGE_SIZE).step_by(SMALLEST << class) {
            // SAFETY: slabs are never freed; `owner` of a block is always valid.
            let header = unsafe { &*((start + offset) as *const ObjectHeader) };
            if header.owner.load(Ordering::Acquire) != 0 {
                visit(header);
            }
        }
    }
    for payload in large {
        // SAFETY: the caller visits objects that nobody frees meanwhile, or
        // reads headers only, which stay mapped.
        visit(unsafe { &*(payload as *const ObjectHeader).sub(1) });
    }
}

/// Bytes of the objects `owner` owns.
#[must_use]
pub fn bytes_owned(owner: u64) -> u64 {
    let mut bytes = 0;
    for_each(&mut |header| {
        if header.owner.load(Ordering::Relaxed) == owner {
            bytes += header.size as u64;
        }
    });
    bytes
}

/// Frees what a dead domain owned, or gives it back to who lent it. Proxies
/// are handed to `drop_proxy` before they go. Freed and returned objects.
pub fn reclaim(owner: u64, drop_proxy: &mut dyn FnMut(&ProxyObject)) -> (u64, u64) {
    let mut dead = Vec::new();
    let mut returned = 0;
    for_each(&mut |header| {
        if header.owner.load(Ordering::Acquire) != owner {
            return;
        }
        let lender = header.lender.swap(0, Ordering::AcqRel);
        if lender == 0 || crate::domain::find(lender).is_none() {
            dead.push(header);
        } else {
            header.owner.store(lender, Ordering::Release);
            returned += 1;
        }
    });
    let freed = dead.len() as u64;
    for header in dead {
        let payload = core::ptr::from_ref(header)
            .wrapping_add(1)
            .cast_mut()
            .cast::<u8>();
        if header.kind.load(Ordering::Relaxed) == ObjectKind::Proxy as u32 {
            // SAFETY: the kind says what the payload is.
            drop_proxy(unsafe { &*payload.cast::<ProxyObject>() });
        }
        // SAFETY: its owner is dead: nobody else may touch it.
        unsafe { free(payload) };
    }
    (freed, returned)
}
