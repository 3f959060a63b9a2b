//! Proxies of the stand-in: made, counted, redirected, held and waited for.

use std::boxed::Box;
use std::ptr;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use abi::exchange::{ObjectKind, ProxyObject};
use abi::services::{DropExport, ExchangeRequest};
use abi::status::{Answer, ServiceError};
use abi::target::{Target, TargetCell};
use abi::thread::{CrossTable, DomainSlot};

use super::control;
use super::objects::{allocate, exchange_free, header, with_objects};
use super::services::{PARKED, UNSUPPORTED, WOKEN, clock_ns, lock};

/// What an export record counts: its proxies.
struct Export {
    proxies: AtomicU64,
    drop_export: DropExport,
    is_promised: AtomicBool,
    is_abandoned: AtomicBool,
}

/// Makes all proxies for one object lead to another, as a supervisor does when
/// it has started a successor.
pub fn redirect<I: ?Sized + crate::Interface>(from: &crate::Proxy<I>, to: &crate::Proxy<I>) {
    // SAFETY: both are live proxies of one interface.
    unsafe { proxy_redirect(from.as_object(), to.as_object()) };
}

/// Makes calls through all other proxies for an object wait until they lead elsewhere,
/// as a supervisor does that upgrades its domain; how many.
pub fn hold<I: ?Sized + crate::Interface>(proxy: &crate::Proxy<I>) -> usize {
    // SAFETY: a live proxy.
    let held = unsafe { proxy_hold(proxy.as_object()) };
    usize::try_from(held).unwrap_or(0)
}

/// Says that the object of a dead domain has no successor.
pub fn abandon<I: ?Sized + crate::Interface>(proxy: &crate::Proxy<I>) {
    // SAFETY: a live proxy.
    unsafe { proxy_redirect(proxy.as_object(), ptr::null()) };
}

/// Promises a successor to the callers of an object, as a supervisor does.
pub fn promise<I: ?Sized + crate::Interface>(proxy: &crate::Proxy<I>) {
    // SAFETY: a live proxy.
    unsafe { proxy_promise(proxy.as_object()) };
}

pub(super) unsafe extern "sysv64" fn proxy_export(
    data: *const (),
    table: *const CrossTable,
    drop_export: DropExport,
    fingerprint: u64,
) -> *mut ProxyObject {
    let export = Box::new(Export {
        proxies: AtomicU64::new(0),
        drop_export,
        is_promised: AtomicBool::new(false),
        is_abandoned: AtomicBool::new(false),
    });
    // SAFETY: this thread's own block.
    let slot = unsafe { &*(*control()).current };
    new_proxy(ProxyObject {
        target: TargetCell::new(Target {
            slot,
            generation: slot.live.load(Ordering::SeqCst),
            data,
            table,
        }),
        export: Box::into_raw(export) as *const (),
        fingerprint,
        edge: 0,
        errors: 0,
    })
}

fn new_proxy(proxy: ProxyObject) -> *mut ProxyObject {
    let request = ExchangeRequest {
        size: size_of::<ProxyObject>(),
        align: 64,
        length: 1,
        fingerprint: proxy.fingerprint,
    };
    let place = allocate(&request, ObjectKind::Proxy).cast::<ProxyObject>();
    // SAFETY: a fresh object of this size; the export is live.
    unsafe {
        (*proxy.export.cast::<Export>())
            .proxies
            .fetch_add(1, Ordering::SeqCst);
        place.write(proxy);
    }
    place
}

pub(super) unsafe extern "sysv64" fn proxy_clone(proxy: *const ProxyObject) -> *mut ProxyObject {
    // SAFETY: the caller's promise.
    new_proxy(unsafe { proxy.read() })
}

pub(super) unsafe extern "sysv64" fn proxy_drop(proxy: *mut ProxyObject) {
    // SAFETY: the caller's promise: a live proxy, hence a live export.
    unsafe {
        let ProxyObject { target, export, .. } = proxy.read();
        let Target {
            slot,
            generation,
            data,
            ..
        } = target.read();
        exchange_free(proxy.cast());
        let export = export.cast_mut().cast::<Export>();
        if (*export).proxies.fetch_sub(1, Ordering::SeqCst) == 1 {
            let export = Box::from_raw(export);
            // No destructor of a dead domain runs.
            if (*slot).live.load(Ordering::SeqCst) == generation {
                let owner = super::Domain { slot: &*slot };
                owner.run(|| (export.drop_export)(data));
            }
        }
    }
}

/// Calls `visit` with every proxy for an export but one. None is freed meanwhile.
fn for_each_other(
    but: *const ProxyObject,
    export: *const (),
    mut visit: impl FnMut(*mut ProxyObject),
) {
    with_objects(|objects| {
        for &payload in objects.keys() {
            let proxy = payload as *mut ProxyObject;
            // SAFETY: keys are live objects; the kind says what they are.
            let is_meant = unsafe {
                let kind = (*header(payload)).kind.load(Ordering::SeqCst);
                kind == ObjectKind::Proxy as u32
                    && !ptr::eq(proxy, but)
                    && (*proxy).export == export
            };
            if is_meant {
                visit(proxy);
            }
        }
    });
}

pub(super) unsafe extern "sysv64" fn proxy_redirect(
    from: *mut ProxyObject,
    to: *const ProxyObject,
) -> Answer {
    // SAFETY: the caller's promise: live proxies, hence live exports.
    let old_export = unsafe { (*from).export };
    if to.is_null() {
        // SAFETY: as above.
        unsafe { &*old_export.cast::<Export>() }
            .is_abandoned
            .store(true, Ordering::SeqCst);
        return notify_waiters(0);
    }
    // SAFETY: as above.
    let new = unsafe { to.read() };
    let mut moved = 0;
    for_each_other(from, old_export, |proxy| {
        // SAFETY: a live proxy.
        unsafe {
            (*proxy).target.write(&new.target.read());
            (*proxy).export = new.export;
        }
        moved += 1;
    });
    // SAFETY: both exports are live: `from` and `to` refer to them.
    unsafe {
        (*old_export.cast::<Export>())
            .proxies
            .fetch_sub(moved, Ordering::SeqCst);
        (*new.export.cast::<Export>())
            .proxies
            .fetch_add(moved, Ordering::SeqCst);
    }
    notify_waiters(moved)
}

pub(super) unsafe extern "sysv64" fn proxy_hold(held: *mut ProxyObject) -> Answer {
    // SAFETY: the caller's promise: a live proxy.
    let export = unsafe { (*held).export };
    let mut count = 0;
    for_each_other(held, export, |proxy| {
        // SAFETY: a live proxy.
        unsafe { (*proxy).target.hold() };
        count += 1;
    });
    count
}

fn notify_waiters(moved: u64) -> Answer {
    let _parked = lock(&PARKED);
    WOKEN.notify_all();
    Answer::try_from(moved).unwrap_or(Answer::MAX)
}

pub(super) unsafe extern "sysv64" fn proxy_wait(
    proxy: *const ProxyObject,
    slot: *const DomainSlot,
    generation: u64,
    deadline_ns: u64,
) -> Answer {
    let mut parked = lock(&PARKED);
    loop {
        // SAFETY: the caller's promise: a live proxy, hence a live export.
        let (now, export) = unsafe {
            (
                (*proxy).target.read_life(),
                &*(*proxy).export.cast::<Export>(),
            )
        };
        if now != (generation, slot) {
            return Answer::try_from(clock_ns()).unwrap_or(Answer::MAX);
        }
        if export.is_abandoned.load(Ordering::SeqCst) {
            return ServiceError::NotFound as Answer;
        }
        let now_ns = clock_ns();
        if now_ns >= deadline_ns {
            return ServiceError::TimedOut as Answer;
        }
        let left = Duration::from_nanos(deadline_ns - now_ns).min(Duration::from_secs(3600));
        parked = WOKEN
            .wait_timeout(parked, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}

pub(super) unsafe extern "sysv64" fn proxy_promise(proxy: *const ProxyObject) -> Answer {
    // SAFETY: the caller's promise: a live proxy, hence a live export.
    let export = unsafe { &*(*proxy).export.cast::<Export>() };
    export.is_promised.store(true, Ordering::SeqCst);
    0
}

pub(super) unsafe extern "sysv64" fn proxy_wait_out(
    proxy: *const ProxyObject,
    deadline_ns: u64,
) -> Answer {
    let (generation, slot) = {
        let _parked = lock(&PARKED);
        // SAFETY: as above; a slot lives for ever.
        let export = unsafe { &*(*proxy).export.cast::<Export>() };
        if !export.is_promised.load(Ordering::SeqCst) {
            return UNSUPPORTED;
        }
        // SAFETY: as above.
        unsafe { (*proxy).target.read_life() }
    };
    // SAFETY: as above.
    let lives = unsafe { (*slot).live.load(Ordering::SeqCst) } == generation;
    if lives {
        return 0;
    }
    // SAFETY: the caller's promise; the slot was read from the proxy.
    unsafe { proxy_wait(proxy, slot, generation, deadline_ns) }
}
