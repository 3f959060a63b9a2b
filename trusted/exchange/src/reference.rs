//! `RRef<T>`: owning pointer to one value on the exchange heap.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use abi::note::{combine, hash};

use crate::error::ExchangeFull;
use crate::fingerprint::InterfaceList;
use crate::layout::{Exchangeable, SlotList};
use crate::object;

/// Owning pointer to a value on the exchange heap.
///
/// It is to the exchange heap what `Box` is to the private one. Passing it
/// through an interface moves the value without copying it.
///
/// What lies there is described by data, so a `Result` or an `Option` of more
/// than one reference can cross by value, but not lie on the exchange heap:
///
/// ```compile_fail,E0080
/// use exchange::RRef;
/// let value: Result<RRef<u64>, u8> = Ok(RRef::new(1));
/// drop(RRef::new(value));
/// ```
///
/// ```no_run
/// use exchange::RRef;
/// let value: Option<RRef<u64>> = Some(RRef::new(1));
/// drop(RRef::new(value));
/// ```
#[repr(transparent)]
pub struct RRef<T: Exchangeable> {
    pub(crate) payload: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: an `RRef` owns its value as a `Box` does; exchangeable types are `Send`.
unsafe impl<T: Exchangeable> Send for RRef<T> {}
// SAFETY: a shared `RRef` gives shared access only; exchangeable types are `Sync`.
unsafe impl<T: Exchangeable> Sync for RRef<T> {}

impl<T: Exchangeable> RRef<T> {
    /// Moves a value to the exchange heap.
    ///
    /// # Panics
    /// When the exchange heap has no room or the domain's quota is used up;
    /// [`Self::try_new`] reports that.
    #[must_use]
    pub fn new(value: T) -> Self {
        match Self::try_new(value) {
            Ok(reference) => reference,
            Err(_) => panic!("no room on the exchange heap for {} bytes", size_of::<T>()),
        }
    }

    /// Moves a value to the exchange heap.
    ///
    /// # Errors
    /// [`ExchangeFull`] gives the value back when there is no room.
    pub fn try_new(value: T) -> Result<Self, ExchangeFull<T>> {
        let Some(payload) = object::allocate::<T>(1) else {
            return Err(ExchangeFull(value));
        };
        // SAFETY: fresh memory for one `T`.
        unsafe { payload.write(value) };
        Ok(Self {
            payload,
            owns: PhantomData,
        })
    }

    /// A handle on a value.
    ///
    /// # Safety
    /// This domain owns the object, its value is initialised, and nobody else
    /// has a handle on it.
    pub(crate) const unsafe fn from_value(payload: NonNull<T>) -> Self {
        Self {
            payload,
            owns: PhantomData,
        }
    }

    /// Takes the value off the exchange heap.
    #[must_use]
    pub fn into_inner(self) -> T {
        let payload = ManuallyDrop::new(self).payload;
        // SAFETY: the payload holds a value; it is freed without being used
        // again.
        unsafe {
            let value = payload.read();
            object::free(payload);
            value
        }
    }
}

impl<T: Exchangeable> Deref for RRef<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: an `RRef` owns a live, initialised value.
        unsafe { self.payload.as_ref() }
    }
}

impl<T: Exchangeable> DerefMut for RRef<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`, and `&mut self` is the only handle.
        unsafe { self.payload.as_mut() }
    }
}

impl<T: Exchangeable> Drop for RRef<T> {
    fn drop(&mut self) {
        // SAFETY: the value is live and this was its only handle.
        unsafe {
            self.payload.drop_in_place();
            object::free(self.payload);
        }
    }
}

impl<T: Exchangeable + fmt::Debug> fmt::Debug for RRef<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

impl<T: Exchangeable + PartialEq> PartialEq for RRef<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Exchangeable + Eq> Eq for RRef<T> {}

// SAFETY: one reference, at offset 0, to an object of `T`.
unsafe impl<T: Exchangeable> Exchangeable for RRef<T> {
    const NAME: &'static str = "RRef";
    const FINGERPRINT: u64 = combine(hash(b"RRef"), T::FINGERPRINT);
    const SLOTS: SlotList = SlotList::one(Some(T::LAYOUT));
    const INTERFACES: InterfaceList = T::INTERFACES;
    const IS_REFERENCE: bool = true;

    #[inline]
    unsafe fn give_references(&self, owner: u64) {
        // SAFETY: a live object of `T`; the rest is the caller's promise.
        unsafe { object::give_object(self.payload, Some(T::LAYOUT), owner) }
    }
}
