//! What a proxy leads to, which crossings read while it changes.
//!
//! A crossing reads generation, slot and object in this order and then looks
//! whether the slot has the generation. The kernel writes in the opposite one, and
//! only once the old domain is marked dead.
//!
//! **Invariant:** who finds its generation in its slot has the object of that
//! domain: who sees a part of the new target sees all of it but, perhaps, the
//! generation, and an old generation is in no slot any more.

use crate::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::exchange::HELD;
use crate::thread::{CrossTable, DomainSlot};

/// What a call needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Domain that owns the object called.
    pub slot: *const DomainSlot,
    /// Generation the slot must have; [`HELD`]: calls wait.
    pub generation: u64,
    /// The object, in the callee.
    pub data: *const (),
    /// Its methods, in the callee's image: one for each of its interface's, in
    /// their order. Images with the same fingerprint agree on how many.
    pub table: *const CrossTable,
}

/// A target that changes while others read it.
#[derive(Debug)]
#[repr(C)]
pub struct TargetCell {
    slot: AtomicPtr<DomainSlot>,
    generation: AtomicU64,
    data: AtomicPtr<()>,
    table: AtomicPtr<CrossTable>,
}

impl TargetCell {
    /// A cell that leads there.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            slot: AtomicPtr::new(target.slot.cast_mut()),
            generation: AtomicU64::new(target.generation),
            data: AtomicPtr::new(target.data.cast_mut()),
            table: AtomicPtr::new(target.table.cast_mut()),
        }
    }

    /// What to call.
    #[inline(always)]
    #[must_use]
    pub fn read(&self) -> Target {
        let generation = self.generation.load(Ordering::Acquire);
        let slot = self.slot.load(Ordering::Acquire);
        let data = self.data.load(Ordering::Acquire);
        let table = self.table.load(Ordering::Acquire);
        Target {
            slot,
            generation,
            data,
            table,
        }
    }

    /// The generation and the domain, without the object.
    #[inline(always)]
    #[must_use]
    pub fn read_life(&self) -> (u64, *const DomainSlot) {
        let generation = self.generation.load(Ordering::Acquire);
        (generation, self.slot.load(Ordering::Acquire))
    }

    /// Leads elsewhere. The old domain must be marked dead, or calls be held, and
    /// nobody else may write.
    pub fn write(&self, target: &Target) {
        self.data.store(target.data.cast_mut(), Ordering::Release);
        self.table.store(target.table.cast_mut(), Ordering::Release);
        self.slot.store(target.slot.cast_mut(), Ordering::Release);
        self.generation.store(target.generation, Ordering::Release);
    }

    /// Makes calls wait until it leads elsewhere.
    pub fn hold(&self) {
        self.generation.store(HELD, Ordering::Release);
    }
}
