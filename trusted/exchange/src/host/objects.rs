//! The exchange heap of the stand-in: a map of objects.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::HashMap;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::vec::Vec;

use abi::exchange::{ObjectHeader, ObjectKind, RETURNED};
use abi::services::ExchangeRequest;
use abi::status::Answer;
use abi::thread::DomainSlot;

use super::control;
use super::proxies::proxy_drop;
use super::services::lock;

const HEADER: usize = size_of::<ObjectHeader>();

/// Every live object: payload address to the block it lies in.
static OBJECTS: Mutex<Option<HashMap<usize, (usize, Layout)>>> = Mutex::new(None);
/// Every domain there ever was.
static DOMAINS: Mutex<Vec<&'static DomainSlot>> = Mutex::new(Vec::new());

/// Objects that `owner` owns.
#[must_use]
pub fn objects_of(owner: u64) -> usize {
    with_objects(|objects| {
        objects
            .keys()
            .filter(|&&payload| owner_of(payload) == owner)
            .count()
    })
}

/// Objects of all owners.
#[must_use]
pub fn total_objects() -> usize {
    with_objects(|objects| objects.len())
}

/// Notes a new domain, so that it can be asked whether it lives.
pub(super) fn register(slot: &'static DomainSlot) {
    lock(&DOMAINS).push(slot);
}

fn is_live(id: u64) -> bool {
    let domains = lock(&DOMAINS);
    let slot = domains
        .iter()
        .find(|slot| slot.id.load(Ordering::Relaxed) == id);
    slot.is_some_and(|slot| slot.live.load(Ordering::SeqCst) != 0)
}

/// Frees every object of a dead domain by its header, as the kernel does, or
/// gives it back to a living lender; how many there were.
pub fn reclaim(owner: u64) -> usize {
    let dead: Vec<usize> = with_objects(|objects| {
        objects
            .keys()
            .copied()
            .filter(|&payload| owner_of(payload) == owner)
            .collect()
    });
    for &payload in &dead {
        // SAFETY: the object is live and its owner is gone.
        unsafe {
            if !give_back(payload) {
                drop_object(payload as *mut u8);
            }
        }
    }
    dead.len()
}

pub(super) fn with_objects<T>(look: impl FnOnce(&mut HashMap<usize, (usize, Layout)>) -> T) -> T {
    look(lock(&OBJECTS).get_or_insert_default())
}

pub(super) fn header(payload: usize) -> *mut ObjectHeader {
    (payload - HEADER) as *mut ObjectHeader
}

fn owner_of(payload: usize) -> u64 {
    // SAFETY: called for keys of `OBJECTS`, which are live payloads.
    unsafe { (*header(payload)).owner.load(Ordering::Relaxed) }
}

/// Frees an object; for a proxy, lets go of its export first.
///
/// # Safety
/// `payload` is a live object nobody uses any more.
unsafe fn drop_object(payload: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        if (*header(payload as usize)).kind.load(Ordering::Relaxed) == ObjectKind::Proxy as u32 {
            proxy_drop(payload.cast());
        } else {
            exchange_free(payload);
        }
    }
}

fn current_id() -> u64 {
    // SAFETY: this thread's own block; slots live for ever.
    unsafe { (*(*control()).current).id.load(Ordering::Relaxed) }
}

pub(super) fn allocate(request: &ExchangeRequest, kind: ObjectKind) -> *mut u8 {
    let align = request.align.max(64);
    let lead = align.max(HEADER);
    let Ok(layout) = Layout::from_size_align(lead + request.size, align) else {
        return ptr::null_mut();
    };
    // SAFETY: `layout` has room for the header before and `size` bytes after
    // `payload`.
    unsafe {
        let block = alloc(layout);
        if block.is_null() {
            return block;
        }
        let payload = block.add(lead);
        header(payload as usize).write(ObjectHeader {
            owner: AtomicU64::new(current_id()),
            lender: AtomicU64::new(0),
            fingerprint: request.fingerprint,
            size: request.size,
            length: request.length,
            kind: AtomicU32::new(kind as u32),
            class: 0,
            reserved: 0,
            lease: AtomicU64::new(0),
        });
        let old =
            with_objects(|objects| objects.insert(payload as usize, (block as usize, layout)));
        assert!(old.is_none(), "an object lies on another");
        payload
    }
}

pub(super) unsafe extern "sysv64" fn exchange_allocate(request: *const ExchangeRequest) -> *mut u8 {
    // SAFETY: the caller's promise.
    allocate(unsafe { &*request }, ObjectKind::Data)
}

/// Gives an object back to who lent it; false: nobody alive did.
///
/// # Safety
/// `payload` is a live object that its owner gives up.
unsafe fn give_back(payload: usize) -> bool {
    // One loan ends at a time.
    with_objects(|_| {
        // SAFETY: the caller's promise.
        let header = unsafe { &*header(payload) };
        let lender = header.lender.load(Ordering::SeqCst);
        if lender == 0 || lender == RETURNED || !is_live(lender) {
            return false;
        }
        header.owner.store(lender, Ordering::SeqCst);
        header.lender.store(RETURNED, Ordering::SeqCst);
        true
    })
}

pub(super) unsafe extern "sysv64" fn exchange_end_loan(payload: *mut u8, forgive: u32) -> Answer {
    with_objects(|objects| {
        assert!(
            objects.contains_key(&(payload as usize)),
            "an object on loan is not freed while its lender lives"
        );
        // SAFETY: as just seen.
        let lender = unsafe { &(*header(payload as usize)).lender };
        let came_back = lender.load(Ordering::SeqCst) == RETURNED;
        if came_back || forgive != 0 {
            lender.store(0, Ordering::SeqCst);
        }
        came_back.into()
    })
}

pub(super) unsafe extern "sysv64" fn exchange_free(payload: *mut u8) {
    // SAFETY: the caller's promise: a live object.
    if unsafe { give_back(payload as usize) } {
        return;
    }
    let (block, layout) = with_objects(|objects| objects.remove(&(payload as usize)))
        .expect("an exchange object is freed once");
    // SAFETY: `allocate` made it with this layout.
    unsafe { dealloc(block as *mut u8, layout) }
}
