//! Which types may cross, and their description as data.

use abi::exchange::{ReferenceSlot, TypeLayout};

use crate::fingerprint::InterfaceList;

/// Most references one value may hold inline; more belong into an `RRefSlice`.
pub const MAX_SLOTS: usize = 32;

/// A type that may lie on the exchange heap or pass through an interface.
///
/// Implemented by `#[derive(Exchangeable)]` and here, by nobody else. No such
/// type has interior mutability, a destructor of its own, or a pointer to
/// anything but exchange objects.
///
/// # Safety
/// `SLOTS` names every reference to an exchange object inside a value, unless
/// `WALKABLE` is false; `give_references` reaches all of them; `FINGERPRINT` depends on
/// everything another image must agree on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not pass between domains",
    label = "not exchangeable",
    note = "exchangeable are numbers, bool, char, arrays, tuples, Option, Result, `RRef`, `RRefSlice`, `RRefDeque`, `Proxy<dyn Interface>` and your own `#[repr(C)]` types with `#[derive(Exchangeable)]`",
    note = "use `RRef<T>` in place of `Box<T>`, `RRefSlice<T>` in place of `Vec<T>`, `RRefSlice<u8>` or `&str` in place of `String`, `Proxy<dyn Trait>` in place of `Arc<dyn Trait>` or a closure"
)]
pub unsafe trait Exchangeable: Sized + Send + Sync + 'static {
    /// Name of the type as written.
    const NAME: &'static str;
    /// Hash of the definition, composed of what it names.
    const FINGERPRINT: u64;
    /// Where references to exchange objects lie.
    const SLOTS: SlotList = SlotList::NONE;
    /// Whether a value may hold references at all.
    const HAS_REFERENCES: bool = Self::SLOTS.count != 0;
    /// Whether `SLOTS` names all of them. A type where a reference lies in one
    /// variant only is not walkable; it can cross, but not lie on the heap.
    const WALKABLE: bool = true;
    /// Whether the type is one nullable reference, so that `Option` of it is too.
    const IS_REFERENCE: bool = false;
    #[doc(hidden)]
    const SLOTS_AS_REF: &'static SlotList = &Self::SLOTS;
    /// Interfaces whose proxies a value may hold or lead to. They are part of
    /// an interface's fingerprint, not of the type's.
    const INTERFACES: InterfaceList = InterfaceList::NONE;
    #[doc(hidden)]
    const INTERFACES_AS_REF: &'static InterfaceList = &Self::INTERFACES;
    /// The description.
    const LAYOUT: &'static TypeLayout = &TypeLayout {
        name: Self::NAME,
        fingerprint: Self::FINGERPRINT,
        size: size_of::<Self>(),
        align: align_of::<Self>(),
        slots: Self::SLOTS_AS_REF.as_slice(),
    };

    /// Makes `owner` the owner of every exchange object the value refers to.
    ///
    /// # Safety
    /// The caller moves the value to that domain and the thread cannot be
    /// disturbed meanwhile.
    #[inline]
    unsafe fn give_references(&self, owner: u64) {
        // SAFETY: `LAYOUT` describes the value behind `self`; the rest is the
        // caller's promise.
        unsafe { crate::object::give_value((&raw const *self).cast(), Self::LAYOUT, owner) }
    }
}

/// An exchangeable type without references: it may be lent for one call as
/// `&T`, `&[T]`, `&mut T` or `&mut [T]`.
///
/// # Safety
/// No value holds a reference to an exchange object.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not be lent through an interface",
    label = "not plain data",
    note = "only exchangeable types without references (no `RRef`, no `Proxy` inside) can be lent; pass this by value"
)]
pub unsafe trait Plain: Exchangeable {}

/// Plain data for which any bytes are a value: numbers, and arrays, tuples and
/// `#[repr(C)]` structs of them. Only such data may be lent for writing, as `&mut T`
/// or `&mut [T]`, or past its borrower's death ([`crate::Loan`]): the borrower may die
/// in the middle of a write, at whatever instruction, and the lender reads on.
///
/// # Safety
/// They are; so it holds no reference, of which null is none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not be lent for writing: what a write of it leaves that is cut off may be no value",
    label = "not every pattern of bytes is one of its values",
    note = "its borrower may die in the middle of a write: lend numbers, and arrays, tuples and `#[derive(Exchangeable)]` structs of numbers; pass `bool`, `char`, an `enum` and an `Option` as a number, or by value"
)]
pub unsafe trait AnyBits: Exchangeable {}

/// Plain data for which all bytes zero is a value.
///
/// # Safety
/// It is; so it holds no reference, as those are not null.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no all-zero value",
    note = "numbers, bool, char, arrays and `#[derive(Exchangeable)]` structs of those have one; use `RRefSlice::from_fn` for other types"
)]
pub unsafe trait Zeroable: Exchangeable {}

/// Offsets of references inside a value, at most [`MAX_SLOTS`].
#[derive(Clone, Copy)]
pub struct SlotList {
    slots: [ReferenceSlot; MAX_SLOTS],
    count: usize,
}

impl SlotList {
    /// No references.
    pub const NONE: Self = Self {
        slots: [ReferenceSlot {
            offset: 0,
            target: None,
        }; MAX_SLOTS],
        count: 0,
    };

    /// One reference at offset 0.
    #[must_use]
    pub const fn one(target: Option<&'static TypeLayout>) -> Self {
        let mut list = Self::NONE;
        list.slots[0].target = target;
        list.count = 1;
        list
    }

    /// These and the references of a part that lies at `offset`.
    ///
    /// # Panics
    /// At compile time, when there are more than [`MAX_SLOTS`].
    #[must_use]
    pub const fn and(mut self, offset: usize, part: &Self) -> Self {
        let mut index = 0;
        while index < part.count {
            assert!(
                self.count < MAX_SLOTS,
                "a value holds at most 32 references; put them into an RRefSlice"
            );
            let slot = part.slots[index];
            self.slots[self.count] = ReferenceSlot {
                offset: offset + slot.offset,
                target: slot.target,
            };
            self.count += 1;
            index += 1;
        }
        self
    }

    /// The slots in use.
    #[must_use]
    pub const fn as_slice(&self) -> &[ReferenceSlot] {
        self.slots.split_at(self.count).0
    }
}
