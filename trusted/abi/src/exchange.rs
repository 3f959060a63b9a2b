//! Layout of objects on the exchange heap.

use core::sync::atomic::{AtomicU32, AtomicU64};

/// Header in front of every exchange object, one cache line.
///
/// Ownership moves with one store to `owner`; nothing is linked, so a move
/// takes no lock and touches no other object.
#[repr(C, align(64))]
pub struct ObjectHeader {
    /// Owner id of the domain that owns the object ([`crate::thread::DomainSlot::id`]);
    /// 0 while the object is free.
    pub owner: AtomicU64,
    /// Owner id that gets the object back if its owner dies or frees it; 0:
    /// nobody; [`RETURNED`]: it came back so, and its owner has no handle yet.
    pub lender: AtomicU64,
    /// Fingerprint of the element type.
    pub fingerprint: u64,
    /// Bytes of the payload.
    pub size: usize,
    /// Number of elements in the payload.
    pub length: usize,
    /// What the object is, an [`ObjectKind`].
    pub kind: AtomicU32,
    /// Size class, owned by the allocator.
    pub class: u32,
    /// Owned by the allocator.
    pub reserved: u64,
    /// For which devices its pages have been opened, a [`crate::device::Lease`].
    pub lease: AtomicU64,
}

/// In the place of a lender: the object came back to who lent it.
pub const RETURNED: u64 = u64::MAX;

/// In the place of a proxy's generation: calls wait until the supervisor has
/// replaced the domain called. No domain has this generation.
pub const HELD: u64 = u64::MAX;

/// What kind of object a header describes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum ObjectKind {
    /// Values of an exchangeable type.
    Data = 1,
    /// A [`ProxyObject`]: a handle on another domain's object.
    Proxy = 2,
}

/// Payload of a proxy: what a call through it needs, in one cache line.
#[repr(C, align(64))]
pub struct ProxyObject {
    /// Whom it calls.
    pub target: crate::target::TargetCell,
    /// The kernel's record of the exported object.
    pub export: *const (),
    /// Fingerprint of the interface.
    pub fingerprint: u64,
    /// Where its calls are counted: offset in bytes from
    /// [`crate::thread::ThreadControl::counters`].
    pub edge: u64,
    /// Calls that ended in an [`crate::thread::CrossStatus`] other than `Done`.
    pub errors: u64,
}

/// Describes an exchangeable type by data, never by code.
#[derive(Debug)]
pub struct TypeLayout {
    /// Name of the type as written, for crash records.
    pub name: &'static str,
    /// Hash of the definition, composed of what it names.
    pub fingerprint: u64,
    /// Bytes of one value.
    pub size: usize,
    /// Alignment in bytes, a power of two of at most 4,096.
    pub align: usize,
    /// Where pointers to other exchange objects lie in a value.
    pub slots: &'static [ReferenceSlot],
}

/// One place in a value that holds a reference to another exchange object.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceSlot {
    /// Offset of the pointer-sized, nullable reference in bytes.
    pub offset: usize,
    /// Layout of the elements of the object it points to; `None` for a proxy.
    pub target: Option<&'static TypeLayout>,
}
