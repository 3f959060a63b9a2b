//! Objects on the exchange heap: allocation, header, change of owner.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use abi::exchange::{ObjectHeader, TypeLayout};
use abi::services::ExchangeRequest;

use crate::layout::Exchangeable;
use crate::thread;

/// An uninitialised object for `length` values of `T`, owned by this domain.
/// `None`: no memory.
pub(crate) fn allocate<T: Exchangeable>(length: usize) -> Option<NonNull<T>> {
    allocate_aligned(length, align_of::<T>())
}

/// As [`allocate`], at a multiple of `align` too: a power of two of at most a page.
pub(crate) fn allocate_aligned<T: Exchangeable>(length: usize, align: usize) -> Option<NonNull<T>> {
    const {
        assert!(
            T::WALKABLE,
            "a Result or Option around references can cross, but not lie on the exchange heap"
        );
        assert!(
            align_of::<T>() <= abi::PAGE_SIZE,
            "what lies on the exchange heap is aligned to at most a page"
        );
    }
    let request = ExchangeRequest {
        size: size_of::<T>().checked_mul(length)?,
        align: align.max(align_of::<T>()),
        length,
        fingerprint: T::FINGERPRINT,
    };
    // SAFETY: every domain may allocate; `request` lives for the call.
    let payload = unsafe { (thread::services().exchange_allocate)(&raw const request) };
    NonNull::new(payload.cast())
}

/// Frees an object.
///
/// # Safety
/// `payload` came from [`allocate`], is owned by this domain and is not used
/// again; its values are moved out or dropped.
pub(crate) unsafe fn free<T>(payload: NonNull<T>) {
    // SAFETY: the caller's promise.
    unsafe { (thread::services().exchange_free)(payload.as_ptr().cast()) }
}

/// The header of an object.
///
/// # Safety
/// `payload` is the payload of a live exchange object, for as long as the
/// returned reference is used.
#[inline]
pub(crate) unsafe fn header<'a, T>(payload: NonNull<T>) -> &'a ObjectHeader {
    // SAFETY: the header lies directly before the payload of each object (the
    // caller's promise that it is one).
    unsafe { payload.cast::<ObjectHeader>().sub(1).as_ref() }
}

/// Gives an object, and all that it refers to, to `owner`.
///
/// A constant `target` makes this a few instructions for each reference: the
/// first two levels are inlined, and descriptions known to the compiler vanish.
///
/// # Safety
/// `payload` is a live object of `target`s (`None`: no references in it), the
/// caller moves it, and the thread cannot be disturbed.
#[inline]
pub(crate) unsafe fn give_object<T>(
    payload: NonNull<T>,
    target: Option<&'static TypeLayout>,
    owner: u64,
) {
    // SAFETY: a live object, by the caller's promise.
    let header = unsafe { header(payload) };
    header.owner.store(owner, Ordering::Relaxed);
    let Some(layout) = target else { return };
    if layout.slots.is_empty() {
        return;
    }
    for index in 0..header.length {
        // SAFETY: the payload holds `length` values of `layout`; vacant places
        // of a deque hold null references.
        unsafe {
            give_value(
                payload.cast::<u8>().as_ptr().add(index * layout.size),
                layout,
                owner,
            )
        }
    }
}

/// Gives all objects that a value refers to, to `owner`.
///
/// # Safety
/// `value` is the address of a value `layout` describes (or of a vacant place
/// with null references); the caller moves it undisturbed.
#[inline(always)]
pub(crate) unsafe fn give_value(value: *const u8, layout: &'static TypeLayout, owner: u64) {
    for slot in layout.slots {
        // SAFETY: a slot is a nullable pointer inside the value; a reference
        // that is not null refers to a live object whose elements `target`
        // describes.
        unsafe {
            let reference = value.add(slot.offset).cast::<*mut u8>().read();
            let Some(payload) = NonNull::new(reference) else {
                continue;
            };
            if slot.target.is_some_and(|target| !target.slots.is_empty()) {
                give_deep(payload, slot.target, owner);
            } else {
                header(payload).owner.store(owner, Ordering::Relaxed);
            }
        }
    }
}

/// [`give_object`] for what lies deeper than the compiler should follow.
///
/// # Safety
/// As [`give_object`].
#[inline(never)]
unsafe fn give_deep(payload: NonNull<u8>, target: Option<&'static TypeLayout>, owner: u64) {
    // SAFETY: the caller's promise.
    unsafe { give_object(payload, target, owner) }
}
