//! Exported objects: what proxies of all domains refer to.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::exchange::{ObjectHeader, ObjectKind, ProxyObject};
use abi::services::{DropExport, ExchangeRequest};
use abi::thread::{CrossStatus, DomainSlot};

use crate::sync::SpinLock;
use crate::{domain, exchange};

/// One object a domain lets others call.
struct Export {
    slot: &'static DomainSlot,
    generation: u64,
    data: *const (),
    vtable: *const (),
    drop_export: DropExport,
    proxies: AtomicU32,
}

// SAFETY: the pointers mean something in the owner's context only and are
// passed there untouched.
unsafe impl Send for Export {}

static COUNT: AtomicU64 = AtomicU64::new(0);
/// Exports whose last proxy went where their owner could not be called.
static FORLORN: SpinLock<Vec<Export>> = SpinLock::new(Vec::new());

/// Exported objects there are.
#[must_use]
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn new_proxy(object: ProxyObject, owner: u64) -> *mut ProxyObject {
    let request = ExchangeRequest {
        size: size_of::<ProxyObject>(),
        align: align_of::<ProxyObject>(),
        length: 1,
        fingerprint: object.fingerprint,
    };
    let proxy = exchange::allocate(&request, owner).cast::<ProxyObject>();
    if proxy.is_null() {
        return proxy;
    }
    // SAFETY: a fresh object of the right size, with its header in front.
    unsafe {
        proxy.write(object);
        (*header(proxy))
            .kind
            .store(ObjectKind::Proxy as u32, Ordering::Release);
    }
    proxy
}

/// The header in front of a proxy.
#[must_use]
pub fn header(proxy: *mut ProxyObject) -> *mut ObjectHeader {
    proxy.cast::<ObjectHeader>().wrapping_sub(1)
}

/// Exports an object of the current domain; null when there is no memory.
///
/// # Safety
/// `data` and `vtable` stand for a reference that `drop_export` may drop once,
/// in the current domain.
pub unsafe fn export(
    data: *const (),
    vtable: *const (),
    drop_export: DropExport,
    fingerprint: u64,
) -> *mut ProxyObject {
    let owner = domain::current();
    let export = Box::new(Export {
        slot: owner.slot(),
        generation: owner.generation(),
        data,
        vtable,
        drop_export,
        proxies: AtomicU32::new(1),
    });
    let export = Box::into_raw(export);
    let object = ProxyObject {
        slot: owner.slot(),
        generation: owner.generation(),
        data,
        vtable,
        export: export.cast(),
        fingerprint,
        calls: 0,
        errors: 0,
    };
    let proxy = new_proxy(object, owner.id());
    if proxy.is_null() {
        // SAFETY: just made, known to nobody.
        drop(unsafe { Box::from_raw(export) });
    } else {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
    proxy
}

/// Another proxy for the same object, owned by the current domain.
///
/// # Safety
/// `proxy` must be a live proxy.
pub unsafe fn clone(proxy: *const ProxyObject) -> *mut ProxyObject {
    // SAFETY: a live proxy refers to a live export.
    let (from, export) = unsafe { (&*proxy, &*(*proxy).export.cast::<Export>()) };
    let object = ProxyObject {
        calls: 0,
        errors: 0,
        ..*from
    };
    export.proxies.fetch_add(1, Ordering::Relaxed);
    let clone = new_proxy(object, domain::current().id());
    if clone.is_null() {
        export.proxies.fetch_sub(1, Ordering::Relaxed);
    }
    clone
}

/// Drops a proxy; the last one gives the object back to its domain.
///
/// # Safety
/// `proxy` must be a live proxy that nobody uses any more.
pub unsafe fn release(proxy: *mut ProxyObject) {
    // SAFETY: the caller's contract.
    let export = unsafe {
        let export = (*proxy).export.cast_mut().cast::<Export>();
        exchange::free(proxy.cast());
        export
    };
    // SAFETY: as above; the last proxy owns the export.
    unsafe {
        if (*export).proxies.fetch_sub(1, Ordering::AcqRel) == 1 {
            finish(*Box::from_raw(export));
        }
    }
}

/// Drops a proxy of a dead domain, without calling anybody.
///
/// # Safety
/// As for [`release`]; the object itself was freed by the caller.
pub unsafe fn forsake(object: &ProxyObject) {
    let export = object.export.cast_mut().cast::<Export>();
    // SAFETY: a proxy refers to a live export; the last one owns it.
    unsafe {
        if (*export).proxies.fetch_sub(1, Ordering::AcqRel) == 1 {
            FORLORN.lock().push(*Box::from_raw(export));
        }
    }
}

/// Gives exports back that [`forsake`] left; called by a kernel thread that
/// may be held up by the owners.
pub fn finish_forlorn() -> bool {
    let Some(export) = FORLORN.lock().pop() else {
        return false;
    };
    finish(export);
    true
}

struct DropFrame {
    drop_export: DropExport,
    data: *const (),
    vtable: *const (),
}

unsafe extern "sysv64" fn call_drop(frame: *mut ()) {
    // SAFETY: `finish` passes its own frame; the export was made with a
    // function that accepts these two halves.
    unsafe {
        let frame = &*frame.cast::<DropFrame>();
        (frame.drop_export)(frame.data, frame.vtable);
    }
}

fn finish(export: Export) {
    let mut frame = DropFrame {
        drop_export: export.drop_export,
        data: export.data,
        vtable: export.vtable,
    };
    // SAFETY: the last proxy is gone, so the reference is dropped once.
    let status = unsafe {
        crate::crossing::cross_from_kernel(
            export.slot,
            export.generation,
            call_drop,
            (&raw mut frame).cast(),
        )
    };
    if status == CrossStatus::NoStack {
        FORLORN.lock().push(export);
        crate::death::noticed();
        return;
    }
    COUNT.fetch_sub(1, Ordering::Relaxed);
}
