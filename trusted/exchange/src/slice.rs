//! `RRefSlice<T>`: owning pointer to an array on the exchange heap.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use abi::note::{combine, hash};

use crate::error::ExchangeFull;
use crate::fingerprint::InterfaceList;
use crate::layout::{Exchangeable, Plain, SlotList, Zeroable};
use crate::object;

/// Owning pointer to an array on the exchange heap; its length is fixed.
///
/// The array is physically contiguous and does not move, so a device can read
/// and write it in place.
#[repr(transparent)]
pub struct RRefSlice<T: Exchangeable> {
    pub(crate) first: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: it owns its values as a `Box<[T]>` does; exchangeable types are `Send`.
unsafe impl<T: Exchangeable> Send for RRefSlice<T> {}
// SAFETY: shared, it gives shared access only; exchangeable types are `Sync`.
unsafe impl<T: Exchangeable> Sync for RRefSlice<T> {}

impl<T: Exchangeable> RRefSlice<T> {
    /// An array of `length` values, each made by `make` from its index.
    ///
    /// # Panics
    /// When the exchange heap has no room.
    #[must_use]
    pub fn from_fn(length: usize, mut make: impl FnMut(usize) -> T) -> Self {
        let slice = Self::uninitialised(length).expect("no room on the exchange heap");
        for index in 0..length {
            // SAFETY: `index` lies in the fresh array.
            unsafe { slice.add(index).write(make(index)) };
        }
        // SAFETY: all values are written now.
        unsafe { Self::from_first(slice) }
    }

    /// A copy of `values`.
    ///
    /// # Panics
    /// When the exchange heap has no room; [`Self::try_from_slice`] reports that.
    #[must_use]
    pub fn from_slice(values: &[T]) -> Self
    where
        T: Plain + Copy,
    {
        Self::try_from_slice(values).expect("no room on the exchange heap")
    }

    /// A copy of `values`.
    ///
    /// # Errors
    /// [`ExchangeFull`] when there is no room.
    pub fn try_from_slice(values: &[T]) -> Result<Self, ExchangeFull<()>>
    where
        T: Plain + Copy,
    {
        let first = Self::uninitialised(values.len())?;
        // SAFETY: the fresh array has room for all of `values` and is apart
        // from them; all values are written after the copy.
        unsafe {
            first.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len());
            Ok(Self::from_first(first))
        }
    }

    /// An array of zeros.
    ///
    /// # Panics
    /// When the exchange heap has no room; [`Self::try_zeroed`] reports that.
    #[must_use]
    pub fn zeroed(length: usize) -> Self
    where
        T: Zeroable,
    {
        Self::try_zeroed(length).expect("no room on the exchange heap")
    }

    /// An array of zeros.
    ///
    /// # Errors
    /// [`ExchangeFull`] when there is no room.
    pub fn try_zeroed(length: usize) -> Result<Self, ExchangeFull<()>>
    where
        T: Zeroable,
    {
        let first = Self::uninitialised(length)?;
        // SAFETY: the fresh array has `length` places and zero is a value of `T`.
        unsafe {
            first.write_bytes(0, length);
            Ok(Self::from_first(first))
        }
    }

    fn uninitialised(length: usize) -> Result<NonNull<T>, ExchangeFull<()>> {
        object::allocate::<T>(length).ok_or(ExchangeFull(()))
    }

    /// A handle on an array.
    ///
    /// # Safety
    /// This domain owns the object, its values are initialised, and nobody else
    /// has a handle on it.
    pub(crate) unsafe fn from_first(first: NonNull<T>) -> Self {
        Self {
            first,
            owns: PhantomData,
        }
    }
}

impl RRefSlice<u8> {
    /// Whole pages of zeros that hold nothing else, not even a header: a device behind
    /// an IOMMU uses them in place, where it has a copy of what shares its pages.
    ///
    /// # Panics
    /// When the exchange heap has no room; [`Self::try_zeroed_pages`] reports that.
    #[must_use]
    pub fn zeroed_pages(pages: usize) -> Self {
        Self::try_zeroed_pages(pages).expect("no room on the exchange heap")
    }

    /// As [`Self::zeroed_pages`].
    ///
    /// # Errors
    /// [`ExchangeFull`] when there is no room.
    pub fn try_zeroed_pages(pages: usize) -> Result<Self, ExchangeFull<()>> {
        let length = pages.checked_mul(abi::PAGE_SIZE).ok_or(ExchangeFull(()))?;
        let first = object::allocate_aligned::<u8>(length, abi::PAGE_SIZE);
        let first = first.ok_or(ExchangeFull(()))?;
        // SAFETY: the fresh array has `length` places and zero is a value of a byte.
        unsafe {
            first.write_bytes(0, length);
            Ok(Self::from_first(first))
        }
    }
}

impl<T: Exchangeable> Deref for RRefSlice<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: it owns a live array with as many values as its header says.
        unsafe {
            NonNull::slice_from_raw_parts(self.first, object::header(self.first).length).as_ref()
        }
    }
}

impl<T: Exchangeable> DerefMut for RRefSlice<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and `&mut self` is the only handle.
        unsafe {
            NonNull::slice_from_raw_parts(self.first, object::header(self.first).length).as_mut()
        }
    }
}

impl<T: Exchangeable> Drop for RRefSlice<T> {
    fn drop(&mut self) {
        // SAFETY: the values are live and this was their only handle.
        unsafe {
            core::ptr::drop_in_place(&raw mut **self);
            object::free(self.first);
        }
    }
}

impl<T: Exchangeable + fmt::Debug> fmt::Debug for RRefSlice<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

impl<T: Exchangeable + PartialEq> PartialEq for RRefSlice<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Exchangeable + Eq> Eq for RRefSlice<T> {}

// SAFETY: one reference, at offset 0, to an object of `T`s.
unsafe impl<T: Exchangeable> Exchangeable for RRefSlice<T> {
    const NAME: &'static str = "RRefSlice";
    const FINGERPRINT: u64 = combine(hash(b"RRefSlice"), T::FINGERPRINT);
    const SLOTS: SlotList = SlotList::one(Some(T::LAYOUT));
    const INTERFACES: InterfaceList = T::INTERFACES;
    const IS_REFERENCE: bool = true;

    #[inline]
    unsafe fn give_references(&self, owner: u64) {
        // SAFETY: a live object of `T`s; the rest is the caller's promise.
        unsafe { object::give_object(self.first, Some(T::LAYOUT), owner) }
    }
}
