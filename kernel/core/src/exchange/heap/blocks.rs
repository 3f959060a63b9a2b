//! Blocks of the exchange heap: sizes, chunks, and lists of free ones.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use abi::PAGE_SIZE;
use abi::exchange::{ObjectHeader, ObjectKind};
use abi::services::ExchangeRequest;

pub(super) const HEADER: usize = size_of::<ObjectHeader>();
/// Payloads are multiples of this.
pub(super) const UNIT: usize = 64;
/// Payloads of blocks: 1, 2, 3, 4, 6, 8, 12 … 1,024 units, up to 64 KiB.
pub(super) const CLASSES: usize = 20;
/// Class number of an object with a chunk of its own.
pub(super) const LARGE: u32 = u32::MAX;
/// Bytes a chunk has at least.
pub(super) const CHUNK: usize = 64 * 1024;

/// Class of a payload, if there is one large enough.
#[inline]
pub(super) fn class_of(size: usize) -> Option<usize> {
    let last = size.max(1).div_ceil(UNIT) - 1;
    let class = match last {
        0 | 1 => last,
        _ => {
            let power = last.ilog2() as usize;
            2 * power + (last >> (power - 1) & 1)
        }
    };
    (class < CLASSES).then_some(class)
}

/// Bytes of payload of a class.
pub(super) const fn payload_of(class: usize) -> usize {
    match class {
        0 | 1 => (class + 1) * UNIT,
        _ if class.is_multiple_of(2) => 3 * (UNIT << (class / 2 - 1)),
        _ => UNIT << (class / 2 + 1),
    }
}

/// Bytes of memory that an object takes, header and rounding included.
pub fn footprint(header: &ObjectHeader) -> usize {
    match header.class {
        LARGE => header.size.next_multiple_of(PAGE_SIZE) + PAGE_SIZE,
        class => stride_of(class as usize),
    }
}

/// Bytes from block to block.
pub(super) const fn stride_of(class: usize) -> usize {
    HEADER + payload_of(class)
}

/// Blocks moved between a CPU's list and the pool at a time.
pub(super) const fn batch_of(class: usize) -> usize {
    let fitting = CHUNK / stride_of(class);
    if fitting < 2 {
        2
    } else if fitting > 32 {
        32
    } else {
        fitting
    }
}

/// A block nobody owns, in the place of its header.
#[repr(C)]
pub(super) struct FreeBlock {
    /// `ObjectHeader::owner`, 0.
    pub(super) owner: AtomicU64,
    pub(super) next: *mut FreeBlock,
}

/// A list of free blocks.
#[derive(Clone, Copy)]
pub(super) struct FreeList {
    pub(super) first: *mut FreeBlock,
    pub(super) count: usize,
}

impl FreeList {
    pub(super) const EMPTY: Self = Self {
        first: ptr::null_mut(),
        count: 0,
    };

    #[inline]
    pub(super) fn push(&mut self, block: *mut FreeBlock) {
        // SAFETY: a free block belongs to whoever holds it; `next` lies where a
        // header has `lender`, which only owners of live objects look at.
        unsafe { (&raw mut (*block).next).write(self.first) };
        self.first = block;
        self.count += 1;
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<*mut FreeBlock> {
        let block = self.first;
        if block.is_null() {
            return None;
        }
        // SAFETY: a block on the list is free and linked.
        self.first = unsafe { (&raw const (*block).next).read() };
        self.count -= 1;
        Some(block)
    }
}

/// First bytes of a chunk.
#[repr(C, align(64))]
pub(super) struct Chunk {
    /// Next in the list of all chunks; only changed while no scan runs.
    pub(super) next: AtomicPtr<Chunk>,
    pub(super) previous: *mut Chunk,
    pub(super) pages: usize,
    pub(super) class: u32,
    pub(super) blocks: usize,
    /// A device was lent what is in it, and may reach it until it has forgotten that.
    pub(super) is_lent: AtomicBool,
    /// Free blocks that are in no CPU's list.
    pub(super) free: FreeList,
    /// Neighbours among the chunks of the class that have free blocks.
    pub(super) next_partial: *mut Chunk,
    pub(super) previous_partial: *mut Chunk,
}

impl Chunk {
    /// Address of the first block.
    pub(super) fn first(chunk: *mut Self, class: u32) -> *mut u8 {
        let offset = if class == LARGE {
            PAGE_SIZE - HEADER
        } else {
            size_of::<Self>()
        };
        chunk.cast::<u8>().wrapping_add(offset)
    }
}

/// The header of a block that was never used: the chunk stands in
/// `reserved`, where it stays.
pub(super) fn free_header(class: u32, chunk: *mut Chunk) -> ObjectHeader {
    ObjectHeader {
        owner: AtomicU64::new(0),
        lender: AtomicU64::new(0),
        fingerprint: 0,
        size: 0,
        length: 0,
        kind: AtomicU32::new(0),
        class,
        reserved: chunk as u64,
        lease: AtomicU64::new(0),
    }
}

/// The chunk a block lies in.
///
/// # Safety
/// `block` is a block of a heap.
pub(super) unsafe fn chunk_of(block: *mut FreeBlock) -> *mut Chunk {
    let header = block.cast::<ObjectHeader>();
    // SAFETY: the caller's promise; `reserved` is the allocator's.
    unsafe { (&raw const (*header).reserved).read() as *mut Chunk }
}

/// Makes a free block an object. The owner is written last: from then on the
/// object exists.
#[inline]
pub(super) fn place(block: *mut ObjectHeader, request: &ExchangeRequest, owner: u64) -> *mut u8 {
    // SAFETY: the block is free and belongs to the caller; a scan looks at
    // `owner` only while that is 0.
    unsafe {
        (*block).lender.store(0, Ordering::Relaxed);
        (&raw mut (*block).fingerprint).write(request.fingerprint);
        (&raw mut (*block).size).write(request.size);
        (&raw mut (*block).length).write(request.length);
        (*block)
            .kind
            .store(ObjectKind::Data as u32, Ordering::Relaxed);
        (*block).owner.store(owner, Ordering::Release);
        block.add(1).cast()
    }
}
