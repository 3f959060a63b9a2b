//! What a thread finds at `gs:0`: its domain and the kernel's services.

use core::arch::asm;

use abi::services::Services;
use abi::thread::{Continuation, DomainSlot, offset};
use core::sync::atomic::Ordering;

/// The kernel's services.
///
/// # Safety
/// The table gives every right there is. The caller is trusted code and uses
/// only what its own caller holds the capability for.
#[inline]
#[must_use]
pub unsafe fn services() -> &'static Services {
    let table = word::<{ offset::SERVICES }>() as *const Services;
    // SAFETY: the kernel puts the address of its one table, which lives for
    // ever, into every thread control block.
    unsafe { &*table }
}

/// Bytes that may still be put onto the stack before other domains cannot be called
/// any more.
#[must_use]
pub fn stack_left() -> usize {
    let here: usize;
    // SAFETY: it copies a register.
    unsafe { asm!("mov {}, rsp", out(reg) here, options(nomem, nostack, preserves_flags)) }
    here.saturating_sub(word::<{ offset::TOP_CALL_LIMIT }>())
}

/// The thread's number, which no other has had since boot.
#[inline]
#[must_use]
pub fn number() -> u32 {
    const NUMBER: usize = core::mem::offset_of!(abi::thread::ThreadControl, thread);
    enter_host();
    let number: u32;
    // SAFETY: as in `word`, of a field of four bytes.
    unsafe {
        asm!(
            "mov {number:e}, dword ptr gs:[{field}]",
            field = const NUMBER,
            number = lateout(reg) number,
            options(nostack, readonly, preserves_flags)
        );
    }
    number
}

/// Owner id of the domain whose code runs.
#[inline]
#[must_use]
pub fn current_domain() -> u64 {
    let slot = word::<{ offset::CURRENT }>() as *const DomainSlot;
    // SAFETY: `current` of a running thread refers to a slot; slots are never
    // freed.
    unsafe { (*slot).id.load(Ordering::Relaxed) }
}

/// Owner id of the domain that made the crossing on top of the chain.
///
/// # Safety
/// The code runs inside a crossing.
#[inline]
pub(crate) unsafe fn calling_domain() -> u64 {
    let top = word::<{ offset::CHAIN }>() as *const Continuation;
    // SAFETY: inside a crossing the chain is not empty (the caller's promise);
    // a linked continuation and the slots it names stay valid while linked.
    unsafe { (*(*top).caller).id.load(Ordering::Relaxed) }
}

/// Keeps the kernel from pre-empting or unwinding this thread until
/// [`allow_disturbance`] (or the end of the crossing). It does not nest: a
/// domain's code runs undisturbed nowhere else.
#[inline]
pub(crate) fn forbid_disturbance() {
    enter_host();
    // SAFETY: one store to a field only this thread writes, which is 0 in a
    // domain's code. No `nomem`: the compiler may not move memory accesses
    // across it. A store, because counting up and down would make crossings
    // wait for each other.
    unsafe {
        asm!(
            "mov dword ptr gs:[{field}], 1",
            field = const offset::PREEMPT_OFF,
            options(nostack, preserves_flags)
        );
    }
}

/// Ends what [`forbid_disturbance`] began, and lets the kernel do what it put
/// off meanwhile.
#[inline]
pub(crate) fn allow_disturbance() {
    let pending: u32;
    // SAFETY: as in `forbid_disturbance`; then a load of a field of the same
    // block.
    unsafe {
        asm!(
            "mov dword ptr gs:[{field}], 0",
            "mov {pending:e}, dword ptr gs:[{work}]",
            field = const offset::PREEMPT_OFF,
            work = const offset::WORK_PENDING,
            pending = lateout(reg) pending,
            options(nostack)
        );
    }
    if pending != 0 {
        yield_to_kernel();
    }
}

/// Ends what the callee began with [`forbid_disturbance`] before it returned. The
/// crossing has just looked for work, and what has come since is tried again soon:
/// no need to look again.
#[inline]
pub(crate) fn end_undisturbed_return() {
    // SAFETY: as in `forbid_disturbance`.
    unsafe {
        asm!(
            "mov dword ptr gs:[{field}], 0",
            field = const offset::PREEMPT_OFF,
            options(nostack, preserves_flags)
        );
    }
}

#[cold]
fn yield_to_kernel() {
    // SAFETY: yielding the CPU needs no capability.
    (unsafe { services() }.thread_yield)();
}

/// Reads a word of the thread control block.
#[inline]
fn word<const OFFSET: usize>() -> usize {
    enter_host();
    let value: usize;
    // SAFETY: `gs:0` is a `ThreadControl` on every machine and `OFFSET` one of
    // its fields; reading it changes nothing.
    unsafe {
        asm!(
            "mov {value}, qword ptr gs:[{field}]",
            field = const OFFSET,
            value = lateout(reg) value,
            options(nostack, readonly, preserves_flags)
        );
    }
    value
}

/// Gives a thread of a host test its control block.
#[inline]
pub(crate) fn enter_host() {
    #[cfg(any(test, feature = "host"))]
    crate::host::enter();
}
