//! `Proxy<dyn Trait>`: a handle on an object of another domain.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use abi::exchange::{HELD, ProxyObject};
use abi::note::{combine, hash};
use abi::status::{ServiceError, check};
use abi::target::Target;
use abi::thread::{DomainSlot, count_of};

use crate::crossing::Exports;
use crate::error::ExchangeFull;
use crate::fingerprint::{InterfaceLink, InterfaceList};
use crate::layout::{Exchangeable, SlotList};
use crate::{fingerprint, object, thread};

/// Longest wait for a successor that was promised.
const PATIENCE_NS: u64 = 30_000_000_000;

/// A trait whose objects can be called from other domains, as `dyn Trait`.
/// Implemented by [`macro@crate::interface`] only.
///
/// # Safety
/// `Self` is `dyn Trait`, and `RECORD` covers its methods and their types, so
/// that images with the same `FINGERPRINT` agree on them. `exports` returns what
/// was made for the type behind the `dyn Trait`, with one entry for each method, in
/// their order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an interface",
    note = "a proxy stands for an object of a trait marked `#[interface]`, written `Proxy<dyn Trait>`"
)]
pub unsafe trait Interface: Send + Sync + 'static {
    /// Name of the trait.
    const NAME: &'static str;
    /// The trait and what it names.
    const RECORD: InterfaceLink;
    /// Hash of the trait, of the types it names, and of the interfaces that can
    /// be reached through it.
    const FINGERPRINT: u64 = fingerprint::of_interface(Self::RECORD);

    /// How other domains call an object, whatever type it is of.
    #[doc(hidden)]
    fn exports(object: &Self) -> Exports;
}

/// A handle on an object of another domain. It implements the interface: a
/// method call on it is a crossing.
#[repr(transparent)]
pub struct Proxy<I: ?Sized + Interface> {
    object: NonNull<ProxyObject>,
    interface: PhantomData<fn(&I)>,
}

// SAFETY: a proxy is an owned handle; what it refers to is `Send + Sync`.
unsafe impl<I: ?Sized + Interface> Send for Proxy<I> {}
// SAFETY: as for `Send`; crossings read the proxy only.
unsafe impl<I: ?Sized + Interface> Sync for Proxy<I> {}

impl<I: ?Sized + Interface> Proxy<I> {
    /// Makes an object of this domain callable by others.
    ///
    /// The object lives until the last proxy for it is dropped or its holder
    /// dies.
    ///
    /// # Panics
    /// When the kernel has no memory left; [`Self::try_export`] reports that.
    #[must_use]
    pub fn export(object: Arc<I>) -> Self {
        Self::try_export(object).expect("no memory to export an object")
    }

    /// Makes an object of this domain callable by others.
    ///
    /// # Errors
    /// [`ExchangeFull`] gives the object back when there is no memory.
    pub fn try_export(object: Arc<I>) -> Result<Self, ExchangeFull<Arc<I>>> {
        let exports = I::exports(&object);
        let pointer = Arc::into_raw(object);
        // SAFETY: every domain may export its own objects; `drop_object` takes
        // back exactly the reference that this pointer stands for.
        let proxy = unsafe {
            (thread::services().proxy_export)(
                pointer.cast(),
                exports.table,
                exports.drop_object,
                I::FINGERPRINT,
            )
        };
        match NonNull::new(proxy) {
            // SAFETY: a fresh proxy object, owned by this domain.
            Some(proxy) => Ok(unsafe { Self::from_object(proxy) }),
            // SAFETY: the kernel refused it, so the reference is still ours.
            None => Err(ExchangeFull(unsafe { Arc::from_raw(pointer) })),
        }
    }

    /// Another proxy for the same object.
    ///
    /// # Errors
    /// [`ExchangeFull`] when there is no memory.
    pub fn try_clone(&self) -> Result<Self, ExchangeFull<()>> {
        // SAFETY: a holder of a proxy may have another; the proxy is live.
        let proxy = unsafe { (thread::services().proxy_clone)(self.object.as_ptr()) };
        let proxy = NonNull::new(proxy).ok_or(ExchangeFull(()))?;
        // SAFETY: a fresh proxy object of the same interface, owned by this domain.
        Ok(unsafe { Self::from_object(proxy) })
    }

    /// Whether both are proxies for the same object.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        let export = |proxy: &Self| {
            // SAFETY: a proxy owns a live proxy object; see `target`.
            unsafe { (&raw const (*proxy.object.as_ptr()).export).read_volatile() }
        };
        core::ptr::eq(export(self), export(other))
    }

    /// A handle on a proxy object.
    ///
    /// # Safety
    /// This domain owns the object, it is a proxy for an `I` (same
    /// fingerprint), and nobody else has a handle on it.
    #[must_use]
    pub const unsafe fn from_object(object: NonNull<ProxyObject>) -> Self {
        Self {
            object,
            interface: PhantomData,
        }
    }

    /// The proxy object, for the stand-in's redirection.
    #[cfg(any(test, feature = "host"))]
    pub(crate) const fn as_object(&self) -> *mut ProxyObject {
        self.object.as_ptr()
    }

    /// Gives up the handle; the proxy object stays.
    ///
    /// # Safety
    /// The caller is trusted: it shows the address to nobody but the kernel.
    #[must_use]
    pub unsafe fn into_object(proxy: Self) -> NonNull<ProxyObject> {
        let object = proxy.object;
        core::mem::forget(proxy);
        object
    }

    /// What to call: the kernel may lead the proxy from a dead domain to its
    /// successor at any time.
    #[inline(always)]
    pub(crate) fn target(&self) -> Target {
        // SAFETY: a proxy owns a live proxy object, of which only the target is
        // borrowed.
        unsafe { (*self.object.as_ptr()).target.read() }
    }

    /// Where its calls are counted.
    #[inline(always)]
    pub(crate) fn edge(&self) -> u64 {
        // SAFETY: as above; it never changes.
        unsafe { (*self.object.as_ptr()).edge }
    }

    /// Waits while calls through the proxy are held; false: they will not go on.
    pub(crate) fn wait_while_held(&self, slot: *const DomainSlot) -> bool {
        loop {
            // SAFETY: the proxy is ours; the slot was read from it.
            let waited = check(unsafe {
                (thread::services().proxy_wait)(self.object.as_ptr(), slot, HELD, u64::MAX)
            });
            // Woken for another reason.
            if waited != Err(ServiceError::Interrupted) {
                return waited.is_ok();
            }
        }
    }

    /// Waits until a call that has met a death may be made again; false: it may not,
    /// for its callee has no successor, or none in time.
    pub(crate) fn wait_out(&self) -> bool {
        // SAFETY: a plain service.
        let now_ns = unsafe { (thread::services().clock_ns)() };
        let deadline_ns = now_ns.saturating_add(PATIENCE_NS);
        loop {
            // SAFETY: the proxy is ours.
            let waited = check(unsafe {
                (thread::services().proxy_wait_out)(self.object.as_ptr(), deadline_ns)
            });
            // Woken for another reason.
            if waited != Err(ServiceError::Interrupted) {
                return waited.is_ok();
            }
        }
    }

    /// Where failed calls are counted; to be accessed atomically.
    pub(crate) fn error_counter(&self) -> *mut u64 {
        // SAFETY: a proxy owns a live proxy object.
        unsafe { &raw mut (*self.object.as_ptr()).errors }
    }
}

impl<I: ?Sized + Interface> Proxy<I> {
    /// The life of the domain that a call would enter now.
    #[inline(always)]
    #[must_use]
    pub fn incarnation(proxy: &Self) -> Incarnation {
        // SAFETY: as in `target`.
        let (generation, slot) = unsafe { (*proxy.object.as_ptr()).target.read_life() };
        Incarnation {
            slot: slot as usize,
            generation,
        }
    }

    /// Waits until the proxy leads to another life than `dead`: its supervisor
    /// has started a successor. When the death of `dead` began, in nanoseconds
    /// since boot. Blocks, at most until `deadline_ns`.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when there will be no successor,
    /// [`ServiceError::TimedOut`].
    pub fn wait_for_successor(
        proxy: &Self,
        dead: Incarnation,
        deadline_ns: u64,
    ) -> Result<u64, ServiceError> {
        loop {
            // SAFETY: whoever holds a proxy may wait for it to be redirected; an
            // incarnation names a slot, which lives for ever.
            let waited = check(unsafe {
                (thread::services().proxy_wait)(
                    proxy.object.as_ptr(),
                    dead.slot as *const DomainSlot,
                    dead.generation,
                    deadline_ns,
                )
            });
            if waited != Err(ServiceError::Interrupted) {
                return waited;
            }
        }
    }
}

/// One life of a domain, from its start to its death.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    slot: usize,
    generation: u64,
}

/// The count of its slot's domains, without the slot: that is an address of the kernel's.
impl fmt::Debug for Incarnation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = count_of(self.generation);
        write!(formatter, "Incarnation({count})")
    }
}

impl Incarnation {
    /// Whether it is not over.
    #[must_use]
    pub fn is_alive(self) -> bool {
        let slot = self.slot as *const DomainSlot;
        // SAFETY: made from a proxy, which names a slot; those live for ever.
        unsafe { (*slot).live.load(Ordering::Acquire) == self.generation }
    }
}

impl<I: ?Sized + Interface> Drop for Proxy<I> {
    fn drop(&mut self) {
        // SAFETY: the proxy object is ours and not used again.
        unsafe { (thread::services().proxy_drop)(self.object.as_ptr()) };
    }
}

impl<I: ?Sized + Interface> fmt::Debug for Proxy<I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Proxy<{}>", I::NAME)
    }
}

// SAFETY: one reference, at offset 0, to a proxy object, which refers to no
// further exchange object. The interface goes into the type's fingerprint by
// name; what it is, is part of the fingerprints of the interfaces that lead to
// it.
unsafe impl<I: ?Sized + Interface> Exchangeable for Proxy<I> {
    const NAME: &'static str = "Proxy";
    const FINGERPRINT: u64 = combine(hash(b"Proxy"), hash(I::NAME.as_bytes()));
    const SLOTS: SlotList = SlotList::one(None);
    const INTERFACES: InterfaceList = InterfaceList::one(I::RECORD);
    const IS_REFERENCE: bool = true;

    #[inline]
    unsafe fn give_references(&self, owner: u64) {
        // SAFETY: a live proxy object; the rest is the caller's promise.
        unsafe { object::give_object(self.object, None, owner) }
    }
}
