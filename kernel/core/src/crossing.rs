//! The crossing stub and the way back from a domain that died.
//!
//! Both are a few instructions of assembly because they define what the stack
//! looks like at every instruction. An interrupt inside the stub disturbs
//! nothing ([`is_in_stub`]): it is handled when the crossing comes back or at the
//! next tick. So a thread is only ever switched out or unwound with its chain
//! of continuations complete. The function called returns past the stub, to its
//! caller, who takes the continuation from the chain ([`abi::call_stub`]); at each
//! instruction of that, too, the chain is complete.

use core::mem::MaybeUninit;
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;

use abi::thread::{
    CONTINUATION_ROOM, Continuation, CrossAnswer, CrossStatus, CrossTable, DomainSlot, offset,
};

use crate::thread::control;

core::arch::global_asm!(
    include_str!("crossing.s"),
    live = const offset::SLOT_LIVE,
    current = const offset::CURRENT,
    chain = const offset::CHAIN,
    preempt_off = const offset::PREEMPT_OFF,
    kernel_depth = const offset::KERNEL_DEPTH,
    counters = const offset::COUNTERS,
    room = const CONTINUATION_ROOM,
    previous = const offset::PREVIOUS,
    caller = const offset::CALLER,
    callee = const offset::CALLEE,
    kept_rbx = const offset::KEPT_RBX,
    kept_rbp = const offset::KEPT_RBP,
    not_started = const CrossStatus::NotStarted.outcome(),
    no_stack = const CrossStatus::NoStack.outcome(),
    died = const CrossStatus::Died.outcome(),
    interval = sym crate::statistics::INTERVAL,
    ends = const crate::statistics::ENDS,
    sampled = sym crate::statistics::sampled,
    unwind_further = sym unwind_further,
);

unsafe extern "sysv64" {
    pub(crate) fn redleaf_cross();
    pub(crate) fn redleaf_cross_moving();
    fn redleaf_unwind() -> !;
    fn redleaf_cross_end();
}

/// Address of the stub, for [`abi::thread::ThreadControl::cross`].
#[must_use]
pub fn stub_address() -> usize {
    redleaf_cross as *const () as usize
}

/// Address of the stub for calls that move exchange objects, for
/// [`abi::thread::ThreadControl::cross_moving`].
#[must_use]
pub fn moving_stub_address() -> usize {
    redleaf_cross_moving as *const () as usize
}

/// Whether an instruction pointer lies in the stub or the unwinder.
#[must_use]
pub fn is_in_stub(rip: usize) -> bool {
    let plain = stub_address()..redleaf_cross_end as *const () as usize;
    plain.contains(&rip) || crate::harden::is_in_stub(rip)
}

/// A function the kernel calls in a domain's name.
pub type KernelFunction = unsafe extern "sysv64" fn(*mut ());

/// The table of [`run_for_kernel`].
static FOR_KERNEL: CrossTable = CrossTable(run_for_kernel);

/// Calls the [`KernelFunction`] that stands in the place of an object.
unsafe extern "sysv64" fn run_for_kernel(
    frame: *mut (),
    function: *const (),
    _table: *const CrossTable,
    _: MaybeUninit<u64>,
    _: MaybeUninit<u64>,
    _: MaybeUninit<u64>,
) -> CrossAnswer {
    // SAFETY: `cross_from_kernel` passes a function, and its frame.
    unsafe { core::mem::transmute::<*const (), KernelFunction>(function)(frame) };
    CrossAnswer {
        word: MaybeUninit::uninit(),
        outcome: CrossStatus::Done.outcome(),
    }
}

/// A crossing made by the kernel itself: thread starts, domain starts, drops.
///
/// Leaves `kernel_depth` as it found it, also when the callee died.
///
/// # Safety
/// `function` must be sound to call with `frame` in the domain's context.
pub unsafe fn cross_from_kernel(
    slot: &DomainSlot,
    generation: u64,
    function: KernelFunction,
    frame: *mut (),
) -> CrossStatus {
    let control = control();
    // The kernel's own slot stands in the continuation as the caller: it never
    // dies, so the thread comes back here whatever happens to the domain that
    // asked for the service, and leaves the service in order.
    // SAFETY: the control block is the running thread's own; the stub's
    // contract is the caller's.
    unsafe {
        let depth = (*control).kernel_depth;
        let current = (*control).current;
        (*control).current = crate::domain::kernel_slot();
        (*control).kernel_depth = 0;
        let (outcome, news): (u64, u32);
        // Whom the kernel works for lends what it passed, as a caller does.
        crate::harden::take_rights(&*current);
        core::arch::asm!(
            abi::call_stub!("qword ptr gs:[{cross}]"),
            cross = const offset::CROSS,
            chain = const offset::CHAIN,
            current = const offset::CURRENT,
            work_pending = const offset::WORK_PENDING,
            live = const offset::SLOT_LIVE,
            room = const CONTINUATION_ROOM,
            inlateout("rax") core::ptr::from_ref(slot) => _,
            inlateout("rdx") &raw const FOR_KERNEL => outcome,
            in("r10") generation,
            in("r11") 0_u64,
            in("rdi") frame,
            in("rsi") function,
            // No proxy, no edge.
            inlateout("r14") 0_u64 => _,
            lateout("r12") news,
            lateout("r13") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
        );
        crate::harden::take_rights(&*crate::domain::kernel_slot());
        let status = CrossStatus::of_outcome(outcome);
        if news != 0 && matches!(status, CrossStatus::Done | CrossStatus::Died) {
            came_back_with_news();
        }
        (*control).kernel_depth = depth;
        (*control).current = current;
        status
    }
}

/// Address of what a caller calls when its crossing came back while work was
/// pending or it is dying, for [`abi::thread::ThreadControl::came_back`].
#[must_use]
pub fn came_back_address() -> usize {
    came_back_with_news as *const () as usize
}

/// Does the work that is pending and leaves the caller of a crossing if it is dying.
/// No service: there may be little stack left.
pub(crate) extern "sysv64" fn came_back_with_news() {
    let control = control();
    // SAFETY: the control block is the running thread's own.
    let pending = unsafe { (*control).work_pending.load(Ordering::Relaxed) } != 0;
    if pending && !crate::scheduler::is_in_kernel() {
        crate::scheduler::deferred_work();
    }
    unwind_if_dead();
}

/// Whether the domain the thread executes in is dying.
#[must_use]
pub fn is_current_dead() -> bool {
    // SAFETY: `current` always points to a slot; slots are never freed.
    unsafe { (*(*control()).current).live.load(Ordering::Acquire) == 0 }
}

/// For long work in a service: it is to be broken off when the domain is dying that the
/// thread executes in. What comes of it is not seen then.
pub fn go_on() -> ControlFlow<()> {
    match is_current_dead() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// Leaves the current domain if it is dying; otherwise returns.
pub fn unwind_if_dead() {
    if is_current_dead() {
        crate::death::noticed();
        wait_until_quiet();
        // SAFETY: `current` is not the kernel (which never dies), so a
        // continuation is linked, and no kernel resource is held here: callers
        // are the ends of services and of trampolines.
        unsafe { redleaf_unwind() }
    }
}

/// Waits until the devices of the dying domains this thread is about to leave
/// are silent: whoever lent them a buffer may use it again afterwards.
///
/// Who silences them cannot be pre-empted, so the wait is short.
fn wait_until_quiet() {
    let control = control();
    // SAFETY: the control block and the chain are the running thread's own;
    // slots are never freed, and those on a chain are not reused.
    unsafe {
        let (mut slot, mut chain) = ((*control).current, (*control).chain);
        while (*slot).live.load(Ordering::Acquire) == 0 {
            let domain = crate::domain::of_slot(slot);
            crate::sync::spin_until(|| domain.is_quiet());
            let Some(link) = chain.as_ref() else { return };
            (slot, chain) = (link.caller, link.previous);
        }
    }
}

/// Goes on unwinding: the domain of the continuation just taken is dead.
extern "sysv64" fn unwind_further() -> ! {
    // The unwinder clears the count.
    core::mem::forget(crate::sync::PreemptOff::new());
    // SAFETY: `current` is dying, so it is not the kernel, and its frames are
    // left without a look at what they hold.
    unsafe { unwind() }
}

/// Leaves the current domain, which must be dying.
///
/// # Safety
/// A continuation must be linked and the frames above it must hold nothing of
/// the kernel's.
pub unsafe fn unwind() -> ! {
    wait_until_quiet();
    // SAFETY: the caller's contract.
    unsafe { redleaf_unwind() }
}

/// Whether a chain holds a call into a domain that another one made.
///
/// # Safety
/// As for [`chain_holds`].
#[must_use]
pub unsafe fn chain_calls(mut chain: *const Continuation, slot: *const DomainSlot) -> bool {
    while !chain.is_null() {
        // SAFETY: the caller's contract.
        let link = unsafe { &*chain };
        if link.callee == slot && link.caller != crate::domain::kernel_slot() {
            return true;
        }
        chain = link.previous;
    }
    false
}

/// Whether a thread's chain mentions a domain: it executes in it, will return
/// into it, or was started in it.
///
/// # Safety
/// The thread must not be running, or be the current one.
#[must_use]
pub unsafe fn chain_holds(
    current: *const DomainSlot,
    mut chain: *const Continuation,
    slot: *const DomainSlot,
) -> bool {
    if current == slot {
        return true;
    }
    while !chain.is_null() {
        // SAFETY: continuations lie on the thread's stack, which is mapped and
        // unchanged while the thread does not run.
        let link = unsafe { &*chain };
        if link.caller == slot || link.entered() == slot {
            return true;
        }
        chain = link.previous;
    }
    false
}

/// Calls `visit` with each domain that [`chain_holds`] is true of.
///
/// # Safety
/// As for [`chain_holds`].
pub unsafe fn for_each_held(
    current: *const DomainSlot,
    mut chain: *const Continuation,
    visit: impl Fn(*const DomainSlot),
) {
    visit(current);
    while !chain.is_null() {
        // SAFETY: as in `chain_holds`.
        let link = unsafe { &*chain };
        visit(link.caller);
        visit(link.entered());
        chain = link.previous;
    }
}
