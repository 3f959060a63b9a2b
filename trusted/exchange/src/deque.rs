//! `RRefDeque<T, N>`: ring of at most `N` values on the exchange heap.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use abi::note::{combine, hash};

use crate::error::ExchangeFull;
use crate::fingerprint::InterfaceList;
use crate::layout::{Exchangeable, SlotList};
use crate::object;

/// First-in, first-out queue with room for `N` values, for batches of requests.
///
/// The handle is two words; the values lie in one object on the exchange heap.
#[repr(C)]
pub struct RRefDeque<T: Exchangeable, const N: usize> {
    ring: NonNull<T>,
    head: u32,
    length: u32,
    owns: PhantomData<T>,
}

// SAFETY: it owns its values; exchangeable types are `Send`.
unsafe impl<T: Exchangeable, const N: usize> Send for RRefDeque<T, N> {}
// SAFETY: shared, it gives shared access only; exchangeable types are `Sync`.
unsafe impl<T: Exchangeable, const N: usize> Sync for RRefDeque<T, N> {}

impl<T: Exchangeable, const N: usize> RRefDeque<T, N> {
    /// An empty queue.
    ///
    /// # Panics
    /// When the exchange heap has no room; [`Self::try_new`] reports that.
    #[must_use]
    pub fn new() -> Self {
        Self::try_new().expect("no room on the exchange heap")
    }

    /// An empty queue.
    ///
    /// # Errors
    /// [`ExchangeFull`] when there is no room.
    pub fn try_new() -> Result<Self, ExchangeFull<()>> {
        const {
            assert!(
                N > 0 && N <= 1 << 20,
                "a deque has room for 1 to 2^20 values"
            )
        };
        let ring = object::allocate::<T>(N).ok_or(ExchangeFull(()))?;
        if T::HAS_REFERENCES {
            // SAFETY: the fresh object has `N` places. Zeroed, their references
            // are null, as those of vacant places must be.
            unsafe { ring.write_bytes(0, N) };
        }
        Ok(Self {
            ring,
            head: 0,
            length: 0,
            owns: PhantomData,
        })
    }

    /// Number of values in the queue.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether there is no room for another.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.len() == N
    }

    /// Room for this many values in all.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Adds a value at the back.
    ///
    /// # Errors
    /// Gives the value back when the queue is full.
    pub fn push_back(&mut self, value: T) -> Result<(), T> {
        if self.is_full() {
            return Err(value);
        }
        // SAFETY: the place after the last value is vacant and inside the ring.
        unsafe { self.place(self.len()).write(value) };
        self.length += 1;
        Ok(())
    }

    /// Takes the value at the front.
    pub fn pop_front(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let place = self.place(0);
        // SAFETY: the front place holds a value; with its references nulled it
        // is vacant.
        let value = unsafe {
            let value = place.read();
            vacate(place);
            value
        };
        self.head = ((self.head as usize + 1) % N) as u32;
        self.length -= 1;
        Some(value)
    }

    /// The value at the front.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// The value at `index`, counted from the front.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        // SAFETY: places before `length` hold values.
        (index < self.len()).then(|| unsafe { self.place(index).as_ref() })
    }

    /// The value at `index`, counted from the front.
    #[must_use]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        // SAFETY: places before `length` hold values; `self` is borrowed mutably.
        (index < self.len()).then(|| unsafe { self.place(index).as_mut() })
    }

    /// The values from front to back.
    #[must_use]
    pub const fn iter(&self) -> Iter<'_, T, N> {
        Iter {
            deque: self,
            next: 0,
        }
    }

    /// The place of the `index`-th value, `index` at most `N`.
    fn place(&self, index: usize) -> NonNull<T> {
        // SAFETY: the remainder lies inside the ring of `N` places.
        unsafe { self.ring.add((self.head as usize + index) % N) }
    }
}

/// Nulls the references of a place whose value was moved out.
///
/// # Safety
/// `place` is a place of a ring and its value is not used again.
unsafe fn vacate<T: Exchangeable>(place: NonNull<T>) {
    for slot in T::LAYOUT.slots {
        // SAFETY: a slot is a nullable pointer inside the place.
        unsafe {
            place
                .cast::<u8>()
                .add(slot.offset)
                .cast::<*mut u8>()
                .write(core::ptr::null_mut())
        };
    }
}

impl<T: Exchangeable, const N: usize> Default for RRefDeque<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Exchangeable, const N: usize> Drop for RRefDeque<T, N> {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
        // SAFETY: all values are dropped and this was the only handle.
        unsafe { object::free(self.ring) };
    }
}

impl<T: Exchangeable + fmt::Debug, const N: usize> fmt::Debug for RRefDeque<T, N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over the values of a deque.
#[derive(Debug)]
pub struct Iter<'a, T: Exchangeable, const N: usize> {
    deque: &'a RRefDeque<T, N>,
    next: usize,
}

impl<'a, T: Exchangeable, const N: usize> Iterator for Iter<'a, T, N> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        let value = self.deque.get(self.next)?;
        self.next += 1;
        Some(value)
    }
}

impl<'a, T: Exchangeable, const N: usize> IntoIterator for &'a RRefDeque<T, N> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T, N>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

// SAFETY: one reference, at offset 0 (`repr(C)`), to an object of `N` places;
// vacant ones hold null references.
unsafe impl<T: Exchangeable, const N: usize> Exchangeable for RRefDeque<T, N> {
    const NAME: &'static str = "RRefDeque";
    const FINGERPRINT: u64 = combine(combine(hash(b"RRefDeque"), N as u64), T::FINGERPRINT);
    const SLOTS: SlotList = SlotList::one(Some(T::LAYOUT));
    const INTERFACES: InterfaceList = T::INTERFACES;

    #[inline]
    unsafe fn give_references(&self, owner: u64) {
        // SAFETY: a live object of `N` places, of which those before `length`
        // hold values; vacant ones refer to nothing and need no look. The rest
        // is the caller's promise.
        unsafe {
            object::give_object(self.ring, None, owner);
            if T::HAS_REFERENCES {
                for index in 0..self.len() {
                    object::give_value(self.place(index).as_ptr().cast(), T::LAYOUT, owner);
                }
            }
        }
    }
}
