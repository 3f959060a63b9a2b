//! The thread control block at `gs:0` and what a crossing leaves on the stack.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::services::Services;

/// Thread control block (TCB). `gs:0` is its address on every machine.
///
/// Only the thread itself (and the kernel, while the thread is not running)
/// touches it, so plain loads and stores suffice; the offsets below are used
/// from assembly.
#[repr(C, align(64))]
pub struct ThreadControl {
    /// Address of this block: `mov rax, gs:0` yields a usable pointer.
    pub this: *const ThreadControl,
    /// Newest continuation, null at the bottom of the stack.
    pub chain: *const Continuation,
    /// Domain whose code runs now.
    pub current: *const DomainSlot,
    /// Lowest stack pointer at which a crossing or service may still start.
    pub stack_limit: usize,
    /// Non-zero: the thread is neither pre-empted nor unwound.
    pub preempt_off: u32,
    /// Non-zero: the thread executes a kernel service that may block.
    pub kernel_depth: u32,
    /// Work was deferred because `preempt_off` was set; look at its end.
    pub work_pending: AtomicU32,
    /// Number of the thread, unique since boot.
    pub thread: u32,
    /// The crossing stub: `call gs:[CROSS]` (see [`CrossStub`]).
    pub cross: CrossStub,
    /// The kernel's services.
    pub services: *const Services,
    /// The kernel's per-CPU data; changes only while the thread is switched out.
    pub cpu: *mut (),
    /// The kernel's own record of this thread.
    pub kernel: *mut (),
    /// Where the crossing stub counts calls, by edge: its CPU's array; changes
    /// with `cpu`.
    pub counters: *mut u64,
}

/// Offsets of [`ThreadControl`] fields, for assembly.
pub mod offset {
    use super::{DomainSlot, ThreadControl};
    use core::mem::offset_of;

    /// [`ThreadControl::chain`].
    pub const CHAIN: usize = offset_of!(ThreadControl, chain);
    /// [`ThreadControl::current`].
    pub const CURRENT: usize = offset_of!(ThreadControl, current);
    /// [`ThreadControl::stack_limit`].
    pub const STACK_LIMIT: usize = offset_of!(ThreadControl, stack_limit);
    /// [`ThreadControl::preempt_off`].
    pub const PREEMPT_OFF: usize = offset_of!(ThreadControl, preempt_off);
    /// [`ThreadControl::kernel_depth`].
    pub const KERNEL_DEPTH: usize = offset_of!(ThreadControl, kernel_depth);
    /// [`ThreadControl::work_pending`].
    pub const WORK_PENDING: usize = offset_of!(ThreadControl, work_pending);
    /// [`ThreadControl::cross`].
    pub const CROSS: usize = offset_of!(ThreadControl, cross);
    /// [`ThreadControl::services`].
    pub const SERVICES: usize = offset_of!(ThreadControl, services);
    /// [`ThreadControl::counters`].
    pub const COUNTERS: usize = offset_of!(ThreadControl, counters);
    /// [`DomainSlot::live`].
    pub const SLOT_LIVE: usize = offset_of!(DomainSlot, live);
    /// [`DomainSlot::id`].
    pub const SLOT_ID: usize = offset_of!(DomainSlot, id);
}

/// The part of a domain that crossings read: one cache line, written only at
/// start and death. Slots are never freed, only reused with a new generation.
#[repr(C, align(64))]
pub struct DomainSlot {
    /// Generation while the domain lives, 0 while dying or dead.
    pub live: AtomicU64,
    /// Owner id that exchange objects of this domain carry (see
    /// [`crate::exchange::ObjectHeader`]); unique over slot and generation.
    pub id: AtomicU64,
    /// Index in the kernel's table of domains.
    pub index: u32,
}

/// What a crossing saves, at the stack pointer it is linked with.
#[repr(C)]
pub struct Continuation {
    /// Continuation of the crossing before this one.
    pub previous: *const Continuation,
    /// Domain to return to.
    pub caller: *const DomainSlot,
    /// Domain that was entered; bit 0 is [`SEEN`]. Read it with [`Self::entered`].
    pub callee: *const DomainSlot,
    /// Callee-saved registers of the caller: rbx, rbp.
    pub registers: [u64; 2],
    /// Where the caller goes on.
    pub return_address: usize,
}

/// Bit of [`Continuation::callee`] that the kernel's watchdog sets when it sees
/// a call. Slots are aligned, and a crossing writes the whole word without it,
/// so a later call that links its continuation at the same address is told from
/// the one that was seen, at no cost to crossings.
pub const SEEN: usize = 1;

impl Continuation {
    /// Domain that was entered.
    #[must_use]
    pub fn entered(&self) -> *const DomainSlot {
        self.callee.map_addr(|address| address & !SEEN)
    }

    /// Marks the call as seen.
    ///
    /// Returns whether it was seen before.
    pub fn see(&mut self) -> bool {
        let was_seen = self.callee.addr() & SEEN != 0;
        self.callee = self.callee.map_addr(|address| address | SEEN);
        was_seen
    }
}

/// What a crossing calls in the callee's name: it gets the words the stub was
/// called with, and returns a word.
///
/// A function that takes fewer words or returns nothing is one, too.
pub type CrossFunction = unsafe extern "sysv64" fn(
    frame: *mut (),
    data: *const (),
    vtable: *const (),
) -> MaybeUninit<u64>;

/// Address of the kernel's crossing stub, reached through
/// [`ThreadControl::cross`] from assembly only. It takes
///
/// - `rax`: the callee's [`DomainSlot`],
/// - `r10`: the generation the slot must have,
/// - `r11`: a [`CrossFunction`],
/// - `rdi`, `rsi`, `rdx`: its arguments, which pass through untouched,
/// - `r9`: where the call is counted ([`crate::exchange::ProxyObject::edge`]).
///
/// The stub checks that the slot has the generation, links a [`Continuation`],
/// makes the slot's domain current, calls the function and unlinks. It returns
/// a [`CrossStatus`] in `edx` and, if that is `Done`, the function's word in
/// `rax`; `preempt_off`, which the function may have set, is for the caller to
/// clear, unless the function did not come to its end.
///
/// It keeps `rsp`, `rbx` and `rbp` and nothing else: a compiler that is told so
/// saves what it needs once, outside of a loop, where the stub would have to do
/// it each time.
pub type CrossStub = usize;

/// What the crossing stub returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum CrossStatus {
    /// The function ran to its end.
    Done = 0,
    /// The callee was dead before the call: the function did not start.
    NotStarted = 1,
    /// The callee died during the call.
    Died = 2,
    /// The stack is too short for another crossing: the function did not start.
    NoStack = 3,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_call_at_the_same_address_was_not_seen() {
        let slot = DomainSlot {
            live: AtomicU64::new(1),
            id: AtomicU64::new(1),
            index: 0,
        };
        let call = || Continuation {
            previous: core::ptr::null(),
            caller: &raw const slot,
            callee: &raw const slot,
            registers: [0; 2],
            return_address: 0,
        };
        let mut place = call();
        assert!(!place.see());
        assert!(place.see());
        assert!(core::ptr::eq(place.entered(), &raw const slot));
        place = call();
        assert!(!place.see());
    }
}
