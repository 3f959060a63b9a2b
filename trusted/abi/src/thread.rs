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
    /// Lowest stack pointer at which a service may still start.
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
    /// Where the crossing stub counts calls, by edge: its CPU's array; changes
    /// with `cpu`.
    pub counters: *mut u64,
    /// The stub for calls whose arguments hold references to exchange objects:
    /// the function starts with `preempt_off` 1 and clears it.
    pub cross_moving: CrossStub,
    /// What a caller calls, in Rust's `sysv64` convention and without arguments,
    /// when a crossing came back while work was pending or the caller was dying.
    pub came_back: usize,
    /// The kernel's services.
    pub services: *const Services,
    /// The kernel's per-CPU data; changes only while the thread is switched out.
    pub cpu: *mut (),
    /// The kernel's own record of this thread.
    pub kernel: *mut (),
    /// Lowest stack pointers at which a domain may still be called, by its height
    /// ([`generation_of`]).
    pub call_limits: [usize; HEIGHTS],
}

/// Heights that domains may have. One that can call nobody has height 0; one that can
/// call others stands above the highest of them, or at the top. So the stack that is
/// left says whether a domain, and all that it calls in turn, have room on it.
pub const HEIGHTS: usize = 8;

/// What [`DomainSlot::live`] is while the domain lives that is the `count`-th in its
/// slot: unique, and in its low half where in a [`ThreadControl`] the limit stands for
/// calls of it. The stub has the word in a register, so it need not look for that.
#[must_use]
pub const fn generation_of(count: u32, height: usize) -> u64 {
    let top = HEIGHTS - 1;
    let height = if height < top { height } else { top };
    (count as u64) << 32 | (offset::CALL_LIMITS + height * size_of::<usize>()) as u64
}

/// The count that a generation was made of.
#[must_use]
pub const fn count_of(generation: u64) -> u32 {
    (generation >> 32) as u32
}

/// The height that a generation was made of.
#[must_use]
pub const fn height_of(generation: u64) -> usize {
    let limit = (generation & u32::MAX as u64) as usize;
    limit.saturating_sub(offset::CALL_LIMITS) / size_of::<usize>()
}

/// Offsets of [`ThreadControl`] fields, for assembly.
pub mod offset {
    use super::{Continuation, DomainSlot, ThreadControl};
    use core::mem::offset_of;

    /// [`ThreadControl::chain`].
    pub const CHAIN: usize = offset_of!(ThreadControl, chain);
    /// [`ThreadControl::current`].
    pub const CURRENT: usize = offset_of!(ThreadControl, current);
    /// [`ThreadControl::preempt_off`].
    pub const PREEMPT_OFF: usize = offset_of!(ThreadControl, preempt_off);
    /// [`ThreadControl::kernel_depth`].
    pub const KERNEL_DEPTH: usize = offset_of!(ThreadControl, kernel_depth);
    /// [`ThreadControl::work_pending`].
    pub const WORK_PENDING: usize = offset_of!(ThreadControl, work_pending);
    /// [`ThreadControl::cross`].
    pub const CROSS: usize = offset_of!(ThreadControl, cross);
    /// [`ThreadControl::cross_moving`].
    pub const CROSS_MOVING: usize = offset_of!(ThreadControl, cross_moving);
    /// [`ThreadControl::came_back`].
    pub const CAME_BACK: usize = offset_of!(ThreadControl, came_back);
    /// [`ThreadControl::services`].
    pub const SERVICES: usize = offset_of!(ThreadControl, services);
    /// [`ThreadControl::counters`].
    pub const COUNTERS: usize = offset_of!(ThreadControl, counters);
    /// [`ThreadControl::call_limits`].
    pub const CALL_LIMITS: usize = offset_of!(ThreadControl, call_limits);
    /// The limit for calls of the highest domains.
    pub const TOP_CALL_LIMIT: usize = CALL_LIMITS + (super::HEIGHTS - 1) * size_of::<usize>();
    /// [`DomainSlot::live`].
    pub const SLOT_LIVE: usize = offset_of!(DomainSlot, live);
    /// [`DomainSlot::rights`].
    pub const SLOT_RIGHTS: usize = offset_of!(DomainSlot, rights);
    /// [`DomainSlot::id`].
    pub const SLOT_ID: usize = offset_of!(DomainSlot, id);
    /// [`Continuation::previous`].
    pub const PREVIOUS: usize = offset_of!(Continuation, previous);
    /// [`Continuation::caller`].
    pub const CALLER: usize = offset_of!(Continuation, caller);
    /// [`Continuation::callee`].
    pub const CALLEE: usize = offset_of!(Continuation, callee);
    /// The caller's rbx in [`Continuation::registers`].
    pub const KEPT_RBX: usize = offset_of!(Continuation, registers);
    /// The caller's rbp in [`Continuation::registers`].
    pub const KEPT_RBP: usize = KEPT_RBX + 8;
}

/// The part of a domain that crossings read: one cache line, written only at
/// start and death. Slots are never freed, only reused with a new generation.
#[repr(C, align(64))]
pub struct DomainSlot {
    /// Generation ([`generation_of`]) while the domain lives, 0 while dying or dead.
    pub live: AtomicU64,
    /// Owner id that exchange objects of this domain carry (see
    /// [`crate::exchange::ObjectHeader`]); unique over slot and generation.
    pub id: AtomicU64,
    /// Index in the kernel's table of domains.
    pub index: u32,
    /// What its code may reach, for PKRU, where protection keys are on:
    /// [`crate::protection::rights_of`] its index.
    pub rights: u32,
}

/// What a crossing saves. It lies at the stack pointer that the stub is called with,
/// so that its first word is the address the function called returns to.
#[repr(C)]
pub struct Continuation {
    /// Where the caller goes on.
    pub return_address: usize,
    /// Continuation of the crossing before this one.
    pub previous: *const Continuation,
    /// Domain to return to.
    pub caller: *const DomainSlot,
    /// Domain that was entered; bit 0 is [`SEEN`]. Read it with [`Self::entered`].
    pub callee: *const DomainSlot,
    /// Callee-saved registers of the caller: rbx, rbp.
    pub registers: [u64; 2],
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

/// Words of arguments that travel in registers.
pub const ARGUMENT_WORDS: usize = 3;

/// What a crossing calls in the callee's name: one method of an object, in the
/// callee's image. An object's table holds one for each method of its interface.
///
/// `frame` is memory of the caller's, for what does not fit into registers; the
/// table is the one the function was found in.
pub type CrossFunction = unsafe extern "sysv64" fn(
    frame: *mut (),
    data: *const (),
    table: *const CrossTable,
    first: MaybeUninit<u64>,
    second: MaybeUninit<u64>,
    third: MaybeUninit<u64>,
) -> CrossAnswer;

/// The first of a table's [`CrossFunction`]s.
#[repr(transparent)]
pub struct CrossTable(pub CrossFunction);

/// What a [`CrossFunction`] returns, in `rax` and `rdx`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CrossAnswer {
    /// The result, if it fits.
    pub word: MaybeUninit<u64>,
    /// 0: there is a result. Else what happened instead: a number below
    /// [`CrossStatus::FIRST_OUTCOME`] says why the function has none, the others
    /// are the stub's, [`CrossStatus::outcome`].
    pub outcome: u64,
}

/// Address of the kernel's crossing stub, reached through
/// [`ThreadControl::cross`] from assembly only ([`crate::call_stub`]). It takes
///
/// - `rax`: the callee's [`DomainSlot`],
/// - `r10`: the generation the slot must have,
/// - `rdx`: the table of the object's methods, which is read only if it has,
/// - `r11`: offset of the method in the table,
/// - `r14`: where the call is counted ([`crate::exchange::ProxyObject::edge`]),
/// - `rdi`, `rsi`, `rcx`, `r8`, `r9`: the function's other arguments, which pass
///   through untouched, also if the function does not start.
///
/// The stub checks that the slot has the generation, links a [`Continuation`],
/// makes the slot's domain current and jumps to the function, which **returns to
/// the stub's caller**: that is one return less, and each costs as much as a plain
/// call. Whether the function returns, does not start or is unwound, the stub's
/// caller goes on with
///
/// - `rsp` as it was before the call: at the room for the rest of the continuation,
/// - `r12`, `r13`: what `chain` and `current` are to be, which it then stores, in
///   the opposite order: until the chain is shorter the thread leaves a dead
///   callee by the continuation, and then it has left it,
/// - `rax`, `rdx`: a [`CrossAnswer`]; of its outcomes, those that are statuses are
///   the stub's,
/// - `rbx` and `rbp` as they were; the other registers count as changed: a compiler
///   that is told so saves what it needs once, outside of a loop, where the stub
///   would have to do it each time.
pub type CrossStub = usize;

/// Bytes that the caller of a stub makes room for: the continuation without its first
/// word, which the call pushes, and one word more, so that the stack is aligned as the
/// calling convention wants it where the function starts.
pub const CONTINUATION_ROOM: usize = size_of::<Continuation>();

/// Assembly that calls a stub and unlinks what it linked ([`thread::CrossStub`]).
/// It leaves in `r12d` 0 if the crossing came to its end with a result and there is
/// nothing else to do: no work is pending, and the caller lives. Operands: those
/// of [`thread::offset`] under the names used here.
///
/// [`thread::CrossStub`]: crate::thread::CrossStub
/// [`thread::offset`]: mod@crate::thread::offset
#[macro_export]
macro_rules! call_stub {
    ($stub:literal) => {
        concat!(
            "lea rsp, [rsp - {room}]
            call ",
            $stub,
            "
            mov qword ptr gs:[{current}], r13
            mov qword ptr gs:[{chain}], r12
            mov r12d, dword ptr gs:[{work_pending}]
            cmp qword ptr [r13 + {live}], 1
            adc r12d, edx
            lea rsp, [rsp + {room}]"
        )
    };
}

/// What came of a crossing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum CrossStatus {
    /// The function ran to its end.
    Done = 0,
    /// The callee was dead before the call: the function did not start.
    NotStarted = 1,
    /// The callee died during the call.
    Died = 2,
    /// The stack is too short for the callee and whom it calls: the function did not
    /// start.
    NoStack = 3,
}

impl CrossStatus {
    /// The least [`CrossAnswer::outcome`] that is the stub's.
    pub const FIRST_OUTCOME: u64 = 1 << 8;

    /// The [`CrossAnswer::outcome`] of a call that did not run to its end.
    #[must_use]
    pub const fn outcome(self) -> u64 {
        (self as u64) * Self::FIRST_OUTCOME
    }

    /// The status that an outcome stands for.
    #[must_use]
    pub const fn of_outcome(outcome: u64) -> Self {
        match outcome / Self::FIRST_OUTCOME {
            0 => Self::Done,
            1 => Self::NotStarted,
            3 => Self::NoStack,
            _ => Self::Died,
        }
    }
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
            rights: 0,
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

    #[test]
    fn a_generation_says_which_limit_holds() {
        for count in [1, 2, u32::MAX] {
            for height in 0..HEIGHTS {
                let generation = generation_of(count, height);
                assert_eq!(
                    (count_of(generation), height_of(generation)),
                    (count, height)
                );
                assert_ne!(generation, crate::exchange::HELD);
            }
            assert_eq!(height_of(generation_of(count, HEIGHTS)), HEIGHTS - 1);
        }
        let top = generation_of(0, HEIGHTS - 1);
        assert_eq!(usize::try_from(top), Ok(offset::TOP_CALL_LIMIT));
    }

    #[test]
    fn a_status_is_told_by_its_outcome() {
        for status in [
            CrossStatus::Done,
            CrossStatus::NotStarted,
            CrossStatus::Died,
            CrossStatus::NoStack,
        ] {
            assert_eq!(CrossStatus::of_outcome(status.outcome()), status);
        }
        let own = CrossStatus::of_outcome(CrossStatus::FIRST_OUTCOME - 1);
        assert_eq!(own, CrossStatus::Done);
    }

    #[test]
    fn the_stack_is_aligned_where_a_function_starts() {
        // The caller's is, before it makes room; then the call pushes a word.
        assert_eq!(CONTINUATION_ROOM % 16, 0);
        assert_eq!(core::mem::offset_of!(Continuation, return_address), 0);
        assert!(size_of::<Continuation>() <= CONTINUATION_ROOM + 8);
    }
}
