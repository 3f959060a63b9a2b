//! The allocator of the exchange heap: chunks, per-CPU lists, the scan.
//!
//! A chunk is a run of physically contiguous pages that holds blocks of one
//! size, each an [`ObjectHeader`] followed by its payload; an object too large
//! for that has a chunk of its own. Free blocks lie in a list of the CPU that
//! freed them or in a list of their chunk. The former needs pre-emption off
//! only, the latter the pool's lock; blocks move between them in batches.
//!
//! A scan visits every block of every chunk without a lock. While one runs no
//! chunk is given back, so what it reads stays a header.

use core::cell::UnsafeCell;
use core::ops::ControlFlow;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU64, Ordering};

use abi::PAGE_SIZE;
use abi::exchange::ObjectHeader;
use abi::services::ExchangeRequest;

use super::loans::Loans;
use crate::cpu::MAX_CPUS;
use crate::sync::{PreemptOff, SpinLock};

mod blocks;

pub use blocks::footprint;

use blocks::{
    CHUNK, CLASSES, Chunk, FreeList, HEADER, LARGE, batch_of, chunk_of, class_of, free_header,
    place, stride_of,
};

/// Where a heap gets its pages and learns on which CPU it runs.
pub trait Source: Sync {
    /// Physically contiguous pages, writable; `None`: no memory.
    fn allocate(&self, pages: usize) -> Option<*mut u8>;
    /// Gives pages of [`Self::allocate`] back, which a device may reach if they were
    /// lent to one.
    fn free(&self, start: *mut u8, pages: usize, was_lent: bool);
    /// The CPU of this thread; called with pre-emption off.
    fn cpu(&self) -> usize;
    /// The current domain is about to take so many bytes that are not in its
    /// CPU's lists. May not return; nothing is held then.
    fn take(&self, bytes: usize);
}

/// What the lock guards.
struct Pool {
    /// Per class, the chunks with free blocks.
    partial: [*mut Chunk; CLASSES],
    /// Scans that run.
    scans: usize,
    /// Chunks of large objects freed during a scan, by `next_partial`.
    retired: *mut Chunk,
}

// SAFETY: chunks are memory of the heap, reached through the pool's lock.
unsafe impl Send for Pool {}

/// What one CPU keeps.
#[repr(align(128))]
struct Local {
    lists: UnsafeCell<[FreeList; CLASSES]>,
    /// Objects allocated less objects freed on this CPU; written by it only.
    objects: AtomicI64,
}

// SAFETY: the lists are touched by threads of their CPU with pre-emption off.
unsafe impl Sync for Local {}

impl Local {
    #[inline]
    fn count(&self, change: i64) {
        // No other CPU writes it and pre-emption is off: no locked addition.
        let objects = self.objects.load(Ordering::Relaxed);
        self.objects.store(objects + change, Ordering::Relaxed);
    }
}

/// An exchange heap.
pub struct Heap<S> {
    source: S,
    cpus: [Local; MAX_CPUS],
    /// Newest chunk; chunks are added at the front.
    chunks: AtomicPtr<Chunk>,
    pool: SpinLock<Pool>,
    /// Taken by whoever ends a loan other than by handing the object over.
    loans: Loans,
    /// Pages of chunks that hold blocks of a class.
    pages: AtomicU64,
}

impl<S: Source> Heap<S> {
    /// An empty heap.
    pub const fn new(source: S) -> Self {
        Self {
            source,
            cpus: [const {
                Local {
                    lists: UnsafeCell::new([FreeList::EMPTY; CLASSES]),
                    objects: AtomicI64::new(0),
                }
            }; MAX_CPUS],
            chunks: AtomicPtr::new(ptr::null_mut()),
            pool: SpinLock::new(Pool {
                partial: [ptr::null_mut(); CLASSES],
                scans: 0,
                retired: ptr::null_mut(),
            }),
            loans: Loans::new(),
            pages: AtomicU64::new(0),
        }
    }

    /// Pages that hold blocks, used and free; large objects' pages not counted.
    pub fn pages_held(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Objects there are.
    pub fn objects(&self) -> u64 {
        let sum: i64 = self
            .cpus
            .iter()
            .map(|cpu| cpu.objects.load(Ordering::Relaxed))
            .sum();
        u64::try_from(sum).unwrap_or(0)
    }

    /// Allocates an object for `owner`; its payload, or null when memory is out.
    #[inline]
    pub fn allocate(&self, request: &ExchangeRequest, owner: u64) -> *mut u8 {
        let class = class_of(request.size).filter(|_| request.align <= HEADER);
        let Some(class) = class else {
            return self.allocate_large(request, owner);
        };
        let preempt = PreemptOff::new();
        let local = &self.cpus[self.source.cpu()];
        // SAFETY: this CPU's lists, with pre-emption off; the reference is gone
        // before anything else may touch them.
        let list = unsafe { &mut (*local.lists.get())[class] };
        let Some(block) = list.pop() else {
            drop(preempt);
            return self.allocate_from_pool(request, owner, class);
        };
        local.count(1);
        let payload = place(block.cast(), request, owner);
        drop(preempt);
        payload
    }

    #[cold]
    fn allocate_from_pool(&self, request: &ExchangeRequest, owner: u64, class: usize) -> *mut u8 {
        self.source.take(batch_of(class) * stride_of(class));
        let preempt = PreemptOff::new();
        let local = &self.cpus[self.source.cpu()];
        // SAFETY: as in `allocate`.
        let list = unsafe { &mut (*local.lists.get())[class] };
        // Another thread may have filled it meanwhile.
        if list.first.is_null() {
            self.refill(list, class);
        }
        let Some(block) = list.pop() else {
            return ptr::null_mut();
        };
        local.count(1);
        let payload = place(block.cast(), request, owner);
        drop(preempt);
        payload
    }

    /// Frees an object by its payload.
    ///
    /// # Safety
    /// `payload` is a live object of this heap that nobody uses any more.
    #[inline]
    pub unsafe fn free(&self, payload: *mut u8) {
        // From here on, or a thread that is ended would leave a block that is
        // neither owned nor free.
        let preempt = PreemptOff::new();
        let header = payload.cast::<ObjectHeader>().wrapping_sub(1);
        // SAFETY: a live object has its header in front.
        let class = unsafe {
            (*header).owner.store(0, Ordering::Release);
            (&raw const (*header).class).read()
        };
        let local = &self.cpus[self.source.cpu()];
        local.count(-1);
        if class == LARGE {
            self.free_large(header);
            return;
        }
        let class = class as usize;
        // SAFETY: as in `allocate`.
        let list = unsafe { &mut (*local.lists.get())[class] };
        list.push(header.cast());
        if list.count >= 2 * batch_of(class) {
            self.flush(list, class);
        }
        drop(preempt);
    }

    /// Frees an object, or gives it back to who lent it, if that one is alive.
    ///
    /// # Safety
    /// As [`Self::free`].
    #[inline]
    pub unsafe fn give_up(&self, payload: *mut u8, is_alive: &dyn Fn(u64) -> bool) {
        let header = payload.cast::<ObjectHeader>().wrapping_sub(1);
        // SAFETY: the caller's promise: a live object, with its header in front.
        unsafe {
            if (*header).lender.load(Ordering::Relaxed) == 0 || !self.give_back(&*header, is_alive)
            {
                self.free(payload);
            }
        }
    }

    /// Gives an object back to who lent it; false: nobody alive did.
    ///
    /// A lender that dies later finds the object among its own: its reclaim
    /// takes the lock once it is no longer alive, before it looks.
    #[cold]
    fn give_back(&self, header: &ObjectHeader, is_alive: &dyn Fn(u64) -> bool) -> bool {
        self.loans
            .give_back(&header.owner, &header.lender, is_alive)
    }

    /// Ends a loan whose object is not in the lender's hands; whether it came
    /// back. If not, it stays lent, or becomes the borrower's for good.
    ///
    /// # Safety
    /// `payload` is the object of a loan of the current domain, which nobody
    /// else ends.
    pub unsafe fn end_loan(&self, payload: *mut u8, forgive: bool) -> bool {
        // SAFETY: an object is not freed while its lender is alive; the lender
        // is the domain that runs here.
        let header = unsafe { &*payload.cast::<ObjectHeader>().wrapping_sub(1) };
        self.loans.end(&header.lender, forgive)
    }

    #[cold]
    fn refill(&self, list: &mut FreeList, class: usize) {
        let mut pool = self.pool.lock();
        while list.count < batch_of(class) {
            let mut chunk = pool.partial[class];
            if chunk.is_null() {
                if list.count > 0 {
                    return;
                }
                chunk = self.add_chunk(&mut pool, class);
            }
            if chunk.is_null() {
                return;
            }
            // SAFETY: a chunk in the list of its class is live; its free list is
            // the pool's.
            let free = unsafe { &mut (*chunk).free };
            while list.count < batch_of(class)
                && let Some(block) = free.pop()
            {
                list.push(block);
            }
            if free.count == 0 {
                // SAFETY: the chunk is linked.
                unsafe { pool.unlink(chunk, class) };
            }
        }
    }

    #[cold]
    fn flush(&self, list: &mut FreeList, class: usize) {
        let mut pool = self.pool.lock();
        for _ in 0..batch_of(class) {
            let Some(block) = list.pop() else {
                return;
            };
            // SAFETY: `place_blocks` noted the chunk in every block; the chunk
            // is live as it has a block in use until now.
            unsafe {
                let chunk = chunk_of(block);
                (*chunk).free.push(block);
                if (*chunk).free.count == 1 {
                    pool.link(chunk, class);
                }
                let empty = (*chunk).free.count == (*chunk).blocks;
                // One empty chunk stays, so that a class at the brink does not
                // come and go.
                let only = pool.partial[class] == chunk && (*chunk).next_partial.is_null();
                if empty && !only && pool.scans == 0 {
                    pool.unlink(chunk, class);
                    self.release(chunk);
                }
            }
        }
    }

    /// A new chunk with free blocks of a class, linked; null: no memory.
    fn add_chunk(&self, pool: &mut Pool, class: usize) -> *mut Chunk {
        let bytes = (8 * stride_of(class) + size_of::<Chunk>()).max(CHUNK);
        let pages = bytes.div_ceil(PAGE_SIZE);
        let blocks = (pages * PAGE_SIZE - size_of::<Chunk>()) / stride_of(class);
        #[expect(clippy::cast_possible_truncation, reason = "below CLASSES")]
        let chunk = self.new_chunk(pool, pages, class as u32, blocks);
        if chunk.is_null() {
            return chunk;
        }
        self.pages.fetch_add(pages as u64, Ordering::Relaxed);
        // SAFETY: the chunk is new; the blocks' headers were written.
        unsafe {
            let first = Chunk::first(chunk, class as u32);
            for index in (0..blocks).rev() {
                (*chunk)
                    .free
                    .push(first.add(index * stride_of(class)).cast());
            }
            pool.link(chunk, class);
        }
        chunk
    }

    /// A new chunk whose blocks are free, in the list of all chunks.
    fn new_chunk(&self, _pool: &mut Pool, pages: usize, class: u32, blocks: usize) -> *mut Chunk {
        let Some(start) = self.source.allocate(pages) else {
            return ptr::null_mut();
        };
        let chunk = start.cast::<Chunk>();
        let stride = if class == LARGE {
            0
        } else {
            stride_of(class as usize)
        };
        let next = self.chunks.load(Ordering::Relaxed);
        // SAFETY: fresh pages, which hold the chunk's own bytes and its blocks;
        // `next` is null or the first of the list, whose `previous` is the pool's.
        unsafe {
            chunk.write(Chunk {
                next: AtomicPtr::new(next),
                previous: ptr::null_mut(),
                pages,
                class,
                blocks,
                is_lent: AtomicBool::new(false),
                free: FreeList::EMPTY,
                next_partial: ptr::null_mut(),
                previous_partial: ptr::null_mut(),
            });
            for index in 0..blocks {
                let block = Chunk::first(chunk, class).add(index * stride);
                block
                    .cast::<ObjectHeader>()
                    .write(free_header(class, chunk));
            }
            if let Some(next) = next.as_mut() {
                next.previous = chunk;
            }
        }
        // A scan that sees the chunk sees its blocks.
        self.chunks.store(chunk, Ordering::Release);
        chunk
    }

    /// Gives a chunk back.
    ///
    /// # Safety
    /// All its blocks are free and in no list, it is not linked in its class,
    /// the pool is locked and no scan runs.
    unsafe fn release(&self, chunk: *mut Chunk) {
        // SAFETY: the caller's promise; neighbours in the list are live.
        unsafe {
            let next = (*chunk).next.load(Ordering::Relaxed);
            if let Some(next) = next.as_mut() {
                next.previous = (*chunk).previous;
            }
            match (*chunk).previous.as_mut() {
                Some(previous) => previous.next.store(next, Ordering::Relaxed),
                None => self.chunks.store(next, Ordering::Relaxed),
            }
            if (*chunk).class != LARGE {
                self.pages
                    .fetch_sub((*chunk).pages as u64, Ordering::Relaxed);
            }
            let was_lent = (*chunk).is_lent.load(Ordering::Relaxed);
            self.source.free(chunk.cast(), (*chunk).pages, was_lent);
        }
    }

    #[cold]
    fn allocate_large(&self, request: &ExchangeRequest, owner: u64) -> *mut u8 {
        // The payload starts on a page of its own; the page before holds the
        // chunk's bytes at its start and the header at its end.
        let bytes = request.size.checked_add(2 * PAGE_SIZE - 1);
        let Some(bytes) = bytes.filter(|_| request.align <= PAGE_SIZE) else {
            return ptr::null_mut();
        };
        self.source.take(bytes);
        let mut pool = self.pool.lock();
        let chunk = self.new_chunk(&mut pool, bytes / PAGE_SIZE, LARGE, 1);
        if chunk.is_null() {
            return ptr::null_mut();
        }
        self.cpus[self.source.cpu()].count(1);
        place(Chunk::first(chunk, LARGE).cast(), request, owner)
    }

    /// Notes that a device is about to be lent an object, until it is freed; where a lease
    /// of it stands. `None`: it has not its own whole pages, these are not all of its
    /// bytes, or it is not this owner's.
    ///
    /// # Safety
    /// `payload` is a live object of this heap.
    pub unsafe fn lend(
        &self,
        payload: *const u8,
        bytes: usize,
        owner: u64,
    ) -> Option<&'static AtomicU64> {
        // SAFETY: the caller's promise: there is a header in front.
        let header = unsafe { &*payload.cast::<ObjectHeader>().wrapping_sub(1) };
        let is_owned = header.owner.load(Ordering::Relaxed) == owner;
        let has_pages = header.class == LARGE && bytes.is_multiple_of(PAGE_SIZE);
        if !is_owned || !has_pages || bytes != header.size {
            return None;
        }
        // SAFETY: the chunk of a live object is live.
        let is_lent = unsafe { &(*chunk_of(ptr::from_ref(header).cast_mut().cast())).is_lent };
        is_lent.store(true, Ordering::Relaxed);
        Some(&header.lease)
    }

    #[cold]
    fn free_large(&self, header: *mut ObjectHeader) {
        let mut pool = self.pool.lock();
        // SAFETY: the object is not used any more; its chunk holds nothing else.
        unsafe {
            let chunk = chunk_of(header.cast());
            if pool.scans == 0 {
                self.release(chunk);
            } else {
                (*chunk).next_partial = pool.retired;
                pool.retired = chunk;
            }
        }
    }

    /// Calls `visit` with the header of every live object. Objects that come
    /// and go meanwhile may be missed. `visit` may free the object it is shown.
    pub fn for_each(&self, visit: &mut dyn FnMut(&'static ObjectHeader)) {
        // All of them, so what comes back says nothing.
        let _ = self.look(&mut |header| {
            visit(header);
            ControlFlow::Continue(())
        });
    }

    /// As [`Heap::for_each`], until `visit` breaks off; then so does this.
    pub fn look(
        &self,
        visit: &mut dyn FnMut(&'static ObjectHeader) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.pool.lock().scans += 1;
        let outcome = self.look_at_chunks(visit);
        self.end_scan();
        outcome
    }

    /// The same, while a scan runs.
    fn look_at_chunks(
        &self,
        visit: &mut dyn FnMut(&'static ObjectHeader) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut chunk = self.chunks.load(Ordering::Acquire);
        // SAFETY: while a scan runs chunks stay, and so do their first fields
        // and the headers of their blocks.
        while let Some(link) = unsafe { chunk.as_ref() } {
            let stride = if link.class == LARGE {
                0
            } else {
                stride_of(link.class as usize)
            };
            let first = Chunk::first(chunk, link.class);
            for index in 0..link.blocks {
                let header = first.wrapping_add(index * stride).cast::<ObjectHeader>();
                // SAFETY: as above; `owner` is valid in free blocks, too.
                let is_live = unsafe { (*header).owner.load(Ordering::Acquire) } != 0;
                if is_live {
                    // SAFETY: as above.
                    visit(unsafe { &*header })?;
                }
            }
            chunk = link.next.load(Ordering::Acquire);
        }
        ControlFlow::Continue(())
    }

    /// Ends a scan; the last one gives back what became free meanwhile.
    fn end_scan(&self) {
        let mut pool = self.pool.lock();
        pool.scans -= 1;
        if pool.scans > 0 {
            return;
        }
        // SAFETY: no scan runs; retired chunks hold nothing; chunks in the list
        // of a class are live and, if all their blocks are free, hold nothing.
        unsafe {
            while let Some(chunk) = pool.retired.as_mut() {
                pool.retired = chunk.next_partial;
                self.release(chunk);
            }
            for class in 0..CLASSES {
                let mut chunk = pool.partial[class];
                while let Some(link) = chunk.as_mut() {
                    let next = link.next_partial;
                    let only = pool.partial[class] == chunk && next.is_null();
                    if link.free.count == link.blocks && !only {
                        pool.unlink(chunk, class);
                        self.release(chunk);
                    }
                    chunk = next;
                }
            }
        }
    }

    /// Frees what `owner` owned, or gives it back to who lent it, if that one
    /// is alive. Each object is shown to `visit` before it is freed. Freed and
    /// returned objects.
    pub fn reclaim(
        &self,
        owner: u64,
        is_alive: &dyn Fn(u64) -> bool,
        visit: &mut dyn FnMut(&ObjectHeader),
    ) -> (u64, u64) {
        let (mut freed, mut returned) = (0, 0);
        // Whoever still saw `owner` alive has given it back what it lent.
        self.loans.settle();
        self.for_each(&mut |header| {
            if header.owner.load(Ordering::Acquire) != owner {
                return;
            }
            if self.give_back(header, is_alive) {
                returned += 1;
                return;
            }
            visit(header);
            let payload = ptr::from_ref(header).wrapping_add(1).cast_mut().cast();
            // SAFETY: its owner is dead: nobody else may use it.
            unsafe { self.free(payload) };
            freed += 1;
        });
        (freed, returned)
    }
}

impl Pool {
    /// Adds a chunk to those of its class with free blocks.
    ///
    /// # Safety
    /// The chunk is live, of this class and not linked.
    unsafe fn link(&mut self, chunk: *mut Chunk, class: usize) {
        let first = self.partial[class];
        // SAFETY: the caller's promise; linked chunks are live.
        unsafe {
            (*chunk).previous_partial = ptr::null_mut();
            (*chunk).next_partial = first;
            if let Some(first) = first.as_mut() {
                first.previous_partial = chunk;
            }
        }
        self.partial[class] = chunk;
    }

    /// Takes a chunk from those of its class with free blocks.
    ///
    /// # Safety
    /// The chunk is linked in this class.
    unsafe fn unlink(&mut self, chunk: *mut Chunk, class: usize) {
        // SAFETY: the caller's promise; linked chunks are live.
        unsafe {
            let (next, previous) = ((*chunk).next_partial, (*chunk).previous_partial);
            if let Some(next) = next.as_mut() {
                next.previous_partial = previous;
            }
            match previous.as_mut() {
                Some(previous) => previous.next_partial = next,
                None => self.partial[class] = next,
            }
            (*chunk).next_partial = ptr::null_mut();
            (*chunk).previous_partial = ptr::null_mut();
        }
    }
}

#[cfg(test)]
#[path = "heap_tests.rs"]
mod tests;
