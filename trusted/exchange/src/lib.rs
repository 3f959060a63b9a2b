//! The exchange heap as domains see it: `RRef`, proxies, crossings.
//!
//! Everything that passes between domains is an [`Exchangeable`] value. It lies
//! on the exchange heap behind an owning [`RRef`], [`RRefSlice`] or
//! [`RRefDeque`], or travels by value through a crossing. A crossing is a call
//! through a [`Proxy`]: it moves the ownership of what it passes, and it ends in
//! [`RpcError::DomainDead`] when the domain called dies.
//!
//! Interfaces are traits marked [`macro@interface`]; types become exchangeable by
//! `#[derive(Exchangeable)]`. Both macros generate the unsafe code that the
//! `unsafe` items here ask for; nobody else calls those.
//!
//! It is not an allocator: the kernel allocates (`kernel/core/src/exchange.rs`),
//! this crate asks it through the table at `gs:[SERVICES]`.
#![no_std]

#[cfg(all(redleaf_image, feature = "host"))]
compile_error!("feature `host` is for tests on the host; an image must not enable it");

extern crate alloc;
// Generated code names this crate `::exchange`, also in this crate's tests.
#[cfg(test)]
extern crate self as exchange;
#[cfg(any(test, feature = "host"))]
extern crate std;

mod crossing;
mod deque;
mod error;
mod fingerprint;
#[cfg(any(test, feature = "host"))]
pub mod host;
mod layout;
mod loan;
mod object;
mod proxy;
mod reference;
mod slice;
pub mod thread;
mod values;

pub use crossing::{Argument, Arguments, Borrowed};
pub use deque::{Iter, RRefDeque};
pub use error::{ExchangeFull, RpcError, RpcResult};
pub use layout::{AnyBits, Exchangeable, MAX_SLOTS, Plain, SlotList, Zeroable};
pub use loan::{Lendable, Loan};
pub use macros::{Exchangeable, interface};
pub use proxy::{Incarnation, Interface, Proxy};
pub use reference::RRef;
pub use slice::RRefSlice;

/// For generated code only.
#[doc(hidden)]
pub mod generated {
    pub use crate::crossing::{Exports, Repeatable, cross, cross_repeatable, entry};
    pub use crate::fingerprint::{Definition, InterfaceLink, InterfaceList, InterfaceRecord};
    pub use abi::exchange::TypeLayout;
    pub use abi::note::{combine, hash};
    pub use core::mem::offset_of;

    /// A field's type in a bound that need not hold. The lifetime, bound by
    /// `for<'__any>`, keeps the compiler from refusing the bound if it does not:
    /// the implementation then just does not apply.
    pub struct Field<'__any, T>(core::marker::PhantomData<(&'__any (), T)>);
    /// The field is plain data.
    pub trait PlainField {}
    impl<T: crate::Plain> PlainField for Field<'_, T> {}
    /// Any bytes are a value of the field.
    pub trait AnyBitsField {}
    impl<T: crate::AnyBits> AnyBitsField for Field<'_, T> {}
    /// The field has an all-zero value.
    pub trait ZeroableField {}
    impl<T: crate::Zeroable> ZeroableField for Field<'_, T> {}

    /// A type that may lie in a variant of an exchangeable enum.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` may not lie in a variant of an exchangeable enum",
        label = "not plain data",
        note = "which reference is there must not depend on a tag: let the variants hold plain data, and keep references in a struct, as `Option<RRef<T>>` if need be"
    )]
    // `Plain` keeps anybody from implementing it for a type with references, which
    // would cross unseen and dangle when their owner dies.
    pub trait InVariant: crate::Plain {}
    #[diagnostic::do_not_recommend]
    impl<T: crate::Plain> InVariant for T {}

    /// Checks that a type may lie in a variant.
    pub const fn in_variant<T: InVariant>() {}

    /// The type of a value.
    #[must_use]
    pub const fn type_of<T>(_: &T) -> core::marker::PhantomData<T> {
        core::marker::PhantomData
    }

    /// Checks that a type is another one.
    pub const fn is<T>(_: core::marker::PhantomData<T>) {}

    /// Checks that an argument is there for a second call.
    pub const fn check_repeatable<T: Repeatable>() {}

    /// Fingerprint of a type that is lent for reading.
    #[must_use]
    pub const fn plain_fingerprint<T: crate::Plain>() -> u64 {
        T::FINGERPRINT
    }

    /// Fingerprint of a type that is lent for writing.
    #[must_use]
    pub const fn any_bits_fingerprint<T: crate::AnyBits>() -> u64 {
        T::FINGERPRINT
    }
}
