//! The exchange heap: objects with one owner each, reclaimed by description.
//!
//! Moving an object is one store to its header, so nothing is linked by owner:
//! to reclaim what a dead domain owned, all headers are looked at. How memory
//! is handed out is [`heap`]'s business; this is the kernel's one heap.

use core::ops::ControlFlow;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::exchange::{ObjectHeader, ObjectKind, ProxyObject};
use abi::protection;
use abi::services::ExchangeRequest;

use crate::{cpu, famine, frames, iommu, limits, memory};

mod heap;
mod loans;

pub use heap::footprint;

/// Page frames of the direct map.
struct Frames;

impl heap::Source for Frames {
    fn allocate(&self, pages: usize) -> Option<*mut u8> {
        if famine::strikes() {
            return None;
        }
        // Some may wait for devices to forget them.
        let again = || iommu::release_freed().then(|| frames::allocate(pages))?;
        let frame = frames::allocate(pages).or_else(again)?;
        memory::set_key(frame, pages, protection::OPEN);
        Some(memory::direct(frame))
    }

    fn free(&self, start: *mut u8, pages: usize, was_lent: bool) {
        let frame = memory::physical(start);
        memory::set_key(frame, pages, protection::KERNEL);
        if was_lent {
            iommu::free(frame, pages);
        } else {
            frames::free(frame, pages);
        }
    }

    #[inline]
    fn cpu(&self) -> usize {
        cpu::index()
    }

    fn take(&self, bytes: usize) {
        limits::take_exchange(bytes);
    }
}

static HEAP: heap::Heap<Frames> = heap::Heap::new(Frames);

/// Page frames the heap holds for small objects; those of large objects count
/// as frames in use.
#[must_use]
pub fn pages_held() -> u64 {
    HEAP.pages_held()
}

/// Objects there are.
#[must_use]
pub fn objects() -> u64 {
    HEAP.objects()
}

/// Allocates an object for `owner`; its payload, or null when memory is out.
#[must_use]
#[inline]
pub fn allocate(request: &ExchangeRequest, owner: u64) -> *mut u8 {
    HEAP.allocate(request, owner)
}

/// Frees an object by its payload.
///
/// # Safety
/// `payload` must be a live object that nobody uses any more.
#[inline]
pub unsafe fn free(payload: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { HEAP.free(payload) }
}

/// Frees an object that the current domain gives up, or gives it back to who
/// lent it.
///
/// # Safety
/// As [`free`].
#[inline]
pub unsafe fn give_up(payload: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { HEAP.give_up(payload, &crate::domain::is_live) }
}

/// Ends a loan of the current domain; whether the object came back.
///
/// # Safety
/// `payload` is the object of a loan of the current domain.
pub unsafe fn end_loan(payload: *mut u8, forgive: bool) -> bool {
    // SAFETY: the caller's promise.
    unsafe { HEAP.end_loan(payload, forgive) }
}

/// Notes that a device is about to be lent an object, until it is freed; where a lease of
/// it stands. `None`: it has not its own whole pages, these are not all of its bytes, or
/// it is not this owner's.
///
/// # Safety
/// `payload` is a live object.
pub(crate) unsafe fn lend(
    payload: *const u8,
    bytes: usize,
    owner: u64,
) -> Option<&'static AtomicU64> {
    // SAFETY: the caller's promise.
    unsafe { HEAP.lend(payload, bytes, owner) }
}

/// Calls `visit` with every live object's header.
pub(crate) fn for_each(visit: &mut dyn FnMut(&'static ObjectHeader)) {
    HEAP.for_each(visit);
}

/// As [`for_each`], until `visit` breaks off; then so does this.
pub(crate) fn look(
    visit: &mut dyn FnMut(&'static ObjectHeader) -> ControlFlow<()>,
) -> ControlFlow<()> {
    HEAP.look(visit)
}

/// Bytes of the objects `owner` owns, headers not counted.
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

/// Bytes of memory that the objects `owner` owns take, and how many of these are
/// proxies.
#[must_use]
pub fn owned_by(owner: u64) -> (u64, u64) {
    let (mut bytes, mut proxies) = (0, 0);
    for_each(&mut |header| {
        if header.owner.load(Ordering::Relaxed) == owner {
            bytes += heap::footprint(header) as u64;
            let is_proxy = header.kind.load(Ordering::Relaxed) == ObjectKind::Proxy as u32;
            proxies += u64::from(is_proxy);
        }
    });
    (bytes, proxies)
}

/// Objects `owner` owns.
#[must_use]
pub fn count_owned(owner: u64) -> u64 {
    let mut count = 0;
    for_each(&mut |header| {
        count += u64::from(header.owner.load(Ordering::Relaxed) == owner);
    });
    count
}

/// Frees what a dead domain owned, or gives it back to who lent it. Proxies
/// are handed to `drop_proxy` before they go. Freed and returned objects.
pub fn reclaim(owner: u64, drop_proxy: &mut dyn FnMut(&ProxyObject)) -> (u64, u64) {
    HEAP.reclaim(owner, &crate::domain::is_live, &mut |header| {
        if header.kind.load(Ordering::Relaxed) == ObjectKind::Proxy as u32 {
            let payload = core::ptr::from_ref(header).wrapping_add(1);
            // SAFETY: the kind says what the payload is.
            drop_proxy(unsafe { &*payload.cast::<ProxyObject>() });
        }
    })
}
