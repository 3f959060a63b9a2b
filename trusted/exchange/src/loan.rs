//! `Loan`: an object another domain works on and that comes back if it dies.
//!
//! A shadow passes objects of its callers on to the domain it guards. It makes
//! a [`Loan`] of each first: a mark in the object's header, and a token that
//! stays. While the lender lives, the object cannot be freed by anyone else: if
//! its owner dies or drops it, the kernel makes it the lender's again and says
//! so in the header. That is data; nobody's code runs for it.
//!
//! **Invariant:** of an object on loan there is one handle or the mark
//! [`RETURNED`](abi::exchange::RETURNED), never both, so [`Loan::take_back`]
//! makes the only one.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::layout::{AnyBits, Exchangeable};
use crate::reference::RRef;
use crate::slice::RRefSlice;
use crate::{object, thread};

mod sealed {
    pub trait Sealed {}
    impl<T: super::AnyBits> Sealed for super::RRef<T> {}
    impl<T: super::AnyBits> Sealed for super::RRefSlice<T> {}
}

/// An owning handle on one object that can be lent.
pub trait Lendable: Exchangeable + sealed::Sealed {
    #[doc(hidden)]
    fn payload(&self) -> NonNull<u8>;

    /// # Safety
    /// This domain owns the object, it is one this kind of handle made, and
    /// there is no other handle on it.
    #[doc(hidden)]
    unsafe fn from_payload(payload: NonNull<u8>) -> Self;
}

impl<T: AnyBits> Lendable for RRef<T> {
    #[inline]
    fn payload(&self) -> NonNull<u8> {
        self.payload.cast()
    }

    unsafe fn from_payload(payload: NonNull<u8>) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::from_value(payload.cast()) }
    }
}

impl<T: AnyBits> Lendable for RRefSlice<T> {
    #[inline]
    fn payload(&self) -> NonNull<u8> {
        self.first.cast()
    }

    unsafe fn from_payload(payload: NonNull<u8>) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::from_first(payload.cast()) }
    }
}

/// The lender's part of an object that is passed on; see the module.
///
/// Dropped, it makes the object the borrower's for good, or frees it if it has
/// come back.
pub struct Loan<H: Lendable> {
    payload: NonNull<u8>,
    handle: PhantomData<H>,
}

// SAFETY: a token; what it can give a handle on is `Send + Sync` itself.
unsafe impl<H: Lendable> Send for Loan<H> {}
// SAFETY: as for `Send`; shared it does nothing.
unsafe impl<H: Lendable> Sync for Loan<H> {}

impl<H: Lendable> fmt::Debug for Loan<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Loan<{}>", H::NAME)
    }
}

impl<H: Lendable> Loan<H> {
    /// Marks an object as lent by this domain. The handle is to be passed on.
    ///
    /// # Errors
    /// Gives the handle back if the object is on loan already.
    #[inline]
    pub fn new(object: H) -> Result<(H, Self), H> {
        let payload = object.payload();
        // SAFETY: the handle owns a live object.
        let header = unsafe { object::header(payload) };
        if header.lender.load(Ordering::Relaxed) != 0 {
            return Err(object);
        }
        let lender = thread::current_domain();
        header.lender.store(lender, Ordering::Relaxed);
        let loan = Self {
            payload,
            handle: PhantomData,
        };
        Ok((object, loan))
    }

    /// Ends the loan of an object that the borrower handed back.
    ///
    /// # Errors
    /// Gives both back if this is another object.
    #[inline]
    pub fn settle(self, object: H) -> Result<H, (Self, H)> {
        if object.payload() != self.payload {
            return Err((self, object));
        }
        // SAFETY: the handle owns a live object; nobody but its holder looks at
        // the mark of an object that is in good hands.
        let header = unsafe { object::header(self.payload) };
        header.lender.store(0, Ordering::Relaxed);
        core::mem::forget(self);
        Ok(object)
    }

    /// Takes back an object that its borrower died with or dropped.
    ///
    /// # Errors
    /// Gives the loan back while somebody has the object.
    pub fn take_back(self) -> Result<H, Self> {
        if !self.end(false) {
            return Err(self);
        }
        let payload = self.payload;
        core::mem::forget(self);
        // SAFETY: it came back: this domain owns it, there is no handle left,
        // and whatever the borrower did to it are values (`AnyBits`).
        Ok(unsafe { H::from_payload(payload) })
    }

    fn end(&self, forgive: bool) -> bool {
        // SAFETY: the object of a loan of this domain; a token is not
        // exchangeable, so it never leaves the domain that made it.
        let answer = unsafe {
            (thread::services().exchange_end_loan)(self.payload.as_ptr(), forgive.into())
        };
        answer == 1
    }
}

impl<H: Lendable> Drop for Loan<H> {
    fn drop(&mut self) {
        if self.end(true) {
            // SAFETY: as in `take_back`; the token is gone after this.
            drop(unsafe { H::from_payload(self.payload) });
        }
    }
}
