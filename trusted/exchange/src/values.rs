//! The built-in types that are exchangeable.

use abi::note::{combine, hash};

use crate::fingerprint::InterfaceList;
use crate::layout::{AnyBits, Exchangeable, Plain, SlotList, Zeroable};

macro_rules! plain {
    ($($type:ty),*) => {$(
        // SAFETY: no references inside; the name is the definition.
        unsafe impl Exchangeable for $type {
            const NAME: &'static str = stringify!($type);
            const FINGERPRINT: u64 = hash(stringify!($type).as_bytes());
        }
        // SAFETY: no references inside.
        unsafe impl Plain for $type {}
        // SAFETY: zero is a value of each.
        unsafe impl Zeroable for $type {}
    )*};
}

plain!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    bool,
    char,
    ()
);

macro_rules! any_bits {
    ($($type:ty),*) => {$(
        // SAFETY: a number, or nothing.
        unsafe impl AnyBits for $type {}
    )*};
}

any_bits!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    ()
);

// SAFETY: an array's elements lie at multiples of their size.
unsafe impl<T: Exchangeable, const N: usize> Exchangeable for [T; N] {
    const NAME: &'static str = "array";
    const FINGERPRINT: u64 = combine(combine(hash(b"array"), N as u64), T::FINGERPRINT);
    const SLOTS: SlotList = {
        let mut list = SlotList::NONE;
        let mut index = 0;
        while index < N && !T::SLOTS_AS_REF.as_slice().is_empty() {
            list = list.and(index * size_of::<T>(), T::SLOTS_AS_REF);
            index += 1;
        }
        list
    };
    const HAS_REFERENCES: bool = T::HAS_REFERENCES;
    const WALKABLE: bool = T::WALKABLE;
    const INTERFACES: InterfaceList = T::INTERFACES;

    #[inline]
    unsafe fn give_references(&self, owner: u64) {
        if T::HAS_REFERENCES {
            for element in self {
                // SAFETY: the caller's promise, for a part.
                unsafe { element.give_references(owner) }
            }
        }
    }
}
// SAFETY: as its elements.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
// SAFETY: as its elements.
unsafe impl<T: AnyBits, const N: usize> AnyBits for [T; N] {}
// SAFETY: as its elements.
unsafe impl<T: Zeroable, const N: usize> Zeroable for [T; N] {}

// SAFETY: `Option` of a reference is a nullable reference (the null-pointer
// optimisation of transparent wrappers around `NonNull`); of any other type
// with references it is not walkable and `give_references` is typed.
unsafe impl<T: Exchangeable> Exchangeable for Option<T> {
    const NAME: &'static str = "Option";
    const FINGERPRINT: u64 = combine(hash(b"Option"), T::FINGERPRINT);
    const SLOTS: SlotList = if T::IS_REFERENCE {
        assert!(size_of::<Self>() == size_of::<*const u8>());
        T::SLOTS
    } else {
        SlotList::NONE
    };
    const HAS_REFERENCES: bool = T::HAS_REFERENCES;
    const WALKABLE: bool = T::IS_REFERENCE || !T::HAS_REFERENCES;
    const INTERFACES: InterfaceList = T::INTERFACES;

    #[inline]
    unsafe fn give_references(&self, owner: u64) {
        if let Some(value) = self {
            // SAFETY: the caller's promise, for a part.
            unsafe { value.give_references(owner) }
        }
    }
}
// SAFETY: as what it holds.
unsafe impl<T: Plain> Plain for Option<T> {}

// SAFETY: with references inside it is not walkable and `give_references` is typed.
unsafe impl<T: Exchangeable, E: Exchangeable> Exchangeable for Result<T, E> {
    const NAME: &'static str = "Result";
    const FINGERPRINT: u64 = combine(combine(hash(b"Result"), T::FINGERPRINT), E::FINGERPRINT);
    const HAS_REFERENCES: bool = T::HAS_REFERENCES || E::HAS_REFERENCES;
    const WALKABLE: bool = !Self::HAS_REFERENCES;
    const INTERFACES: InterfaceList = T::INTERFACES.and(E::INTERFACES_AS_REF);

    #[inline]
    unsafe fn give_references(&self, owner: u64) {
        // SAFETY: the caller's promise, for a part.
        unsafe {
            match self {
                Ok(value) => value.give_references(owner),
                Err(error) => error.give_references(owner),
            }
        }
    }
}
// SAFETY: as what it holds.
unsafe impl<T: Plain, E: Plain> Plain for Result<T, E> {}

macro_rules! tuple {
    ($($type:ident $index:tt),*) => {
        // SAFETY: the parts' references at the parts' offsets.
        unsafe impl<$($type: Exchangeable),*> Exchangeable for ($($type,)*) {
            const NAME: &'static str = "tuple";
            const FINGERPRINT: u64 = {
                let fingerprint = hash(b"tuple");
                $(let fingerprint = combine(fingerprint, $type::FINGERPRINT);)*
                fingerprint
            };
            const SLOTS: SlotList = SlotList::NONE
                $(.and(core::mem::offset_of!(Self, $index), $type::SLOTS_AS_REF))*;
            const HAS_REFERENCES: bool = $($type::HAS_REFERENCES)||*;
            const WALKABLE: bool = $($type::WALKABLE)&&*;
            const INTERFACES: InterfaceList = InterfaceList::NONE
                $(.and($type::INTERFACES_AS_REF))*;

            #[inline]
            unsafe fn give_references(&self, owner: u64) {
                // SAFETY: the caller's promise, for the parts.
                unsafe { $(self.$index.give_references(owner);)* }
            }
        }
        // SAFETY: as its parts.
        unsafe impl<$($type: Plain),*> Plain for ($($type,)*) {}
        // SAFETY: as its parts.
        unsafe impl<$($type: AnyBits),*> AnyBits for ($($type,)*) {}
        // SAFETY: as its parts.
        unsafe impl<$($type: Zeroable),*> Zeroable for ($($type,)*) {}
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
