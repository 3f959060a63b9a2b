//! The crossing stub and the way back from a domain that died.
//!
//! Both are a few instructions of assembly because they define what the stack
//! looks like at every instruction. An interrupt inside the stub disturbs
//! nothing ([`is_in_stub`]): it is handled when the stub is left or at the
//! next tick. So a thread is only ever switched out or unwound with its chain
//! of continuations complete.

use core::sync::atomic::Ordering;

use abi::thread::{Continuation, DomainSlot, offset};

use crate::thread::control;

core::arch::global_asm!(
    ".globl redleaf_cross",
    ".globl redleaf_unwind",
    ".globl redleaf_cross_end",
    // Types and sizes name the functions in backtraces.
    ".type redleaf_cross, @function",
    ".type redleaf_unwind, @function",
    ".p2align 6",
    // rax: slot, r10: generation, r11: function; rdi, rsi, rdx: its arguments;
    // r9: the edge.
    // Of the registers it keeps rbx, rbp and rsp: see `abi::thread::CrossStub`.
    "redleaf_cross:",
    "cmp qword ptr [rax + {live}], r10",
    "jne 2f",
    "cmp rsp, qword ptr gs:[{stack_limit}]",
    "jb 3f",
    // Counts the call on this CPU; nothing pre-empts the stub.
    "mov r8, qword ptr gs:[{counters}]",
    "mov rcx, qword ptr [r8 + r9]",
    "inc rcx",
    "mov qword ptr [r8 + r9], rcx",
    "test ecx, dword ptr [rip + {mask}]",
    "jz 7f",
    // What is to be restored waits in registers the function keeps: through
    // memory alone, one crossing after the other would wait for its stores.
    "8: mov r12, qword ptr gs:[{chain}]",
    "mov r13, qword ptr gs:[{current}]",
    "push rbp",
    "push rbx",
    "push rax",
    "push r13",
    "push r12",
    "mov qword ptr gs:[{chain}], rsp",
    "mov qword ptr gs:[{current}], rax",
    "call r11",
    // From here on rax holds the result.
    "mov qword ptr gs:[{chain}], r12",
    "mov qword ptr gs:[{current}], r13",
    // A function that moved a result to the caller left pre-emption off: who
    // called turns it on, which is nobody else's business.
    "cmp dword ptr gs:[{work_pending}], 0",
    "jne 4f",
    "cmp qword ptr [r13 + {live}], 0",
    "je 4f",
    "add rsp, 40",
    "xor edx, edx",
    "ret",
    "2: mov edx, 1",
    "ret",
    "3: mov edx, 3",
    "ret",
    // One call in many, or each while a trace runs: timed from here to where
    // the crossing comes back, also from a death.
    "7: push r9",
    "push rax",
    "mov r8, rdx",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "mov rdx, r8",
    "push rax",
    "mov rax, qword ptr [rsp + 8]",
    "call 8b",
    "push rax",
    "push rdx",
    "mov rdi, qword ptr [rsp + 16]",
    "mov rsi, qword ptr [rsp + 24]",
    "mov ecx, edx",
    "mov rdx, qword ptr [rsp + 32]",
    "call {sampled}",
    "pop rdx",
    "pop rax",
    "add rsp, 24",
    "ret",
    // Work is pending or the caller died meanwhile. The handler returns only
    // if the caller lives, which has its result: pre-emption may be on. With the
    // result the stack is aligned.
    "4: mov dword ptr gs:[{preempt_off}], 0",
    "add rsp, 40",
    "push rax",
    "call {returned}",
    "pop rax",
    "xor edx, edx",
    "ret",
    // Brings the thread to its newest continuation whose caller lives.
    "redleaf_unwind:",
    "mov rsp, qword ptr gs:[{chain}]",
    "pop qword ptr gs:[{chain}]",
    "pop rcx",
    "mov qword ptr gs:[{current}], rcx",
    "add rsp, 8",
    "pop rbx",
    "pop rbp",
    "cmp qword ptr [rcx + {live}], 0",
    "je 7f",
    "cld",
    "fninit",
    "mov dword ptr [rsp - 8], 0x1f80",
    "ldmxcsr dword ptr [rsp - 8]",
    "mov dword ptr gs:[{kernel_depth}], 0",
    "mov dword ptr gs:[{preempt_off}], 0",
    "mov edx, 2",
    "ret",
    // This one is dead, too. The frames below are gone.
    "7: and rsp, -16",
    "call {unwind_further}",
    "ud2",
    "redleaf_cross_end:",
    ".size redleaf_cross, redleaf_unwind - redleaf_cross",
    ".size redleaf_unwind, redleaf_cross_end - redleaf_unwind",
    live = const offset::SLOT_LIVE,
    stack_limit = const offset::STACK_LIMIT,
    current = const offset::CURRENT,
    chain = const offset::CHAIN,
    preempt_off = const offset::PREEMPT_OFF,
    kernel_depth = const offset::KERNEL_DEPTH,
    work_pending = const offset::WORK_PENDING,
    counters = const offset::COUNTERS,
    mask = sym crate::statistics::MASK,
    sampled = sym crate::statistics::sampled,
    returned = sym returned_with_work,
    unwind_further = sym unwind_further,
);

unsafe extern "sysv64" {
    fn redleaf_cross();
    fn redleaf_unwind() -> !;
    fn redleaf_cross_end();
}

/// Address of the stub, for [`abi::thread::ThreadControl::cross`].
#[must_use]
pub fn stub_address() -> usize {
    redleaf_cross as *const () as usize
}

/// Whether an instruction pointer lies in the stub or the unwinder.
#[must_use]
pub fn is_in_stub(rip: usize) -> bool {
    (stub_address()..redleaf_cross_end as *const () as usize).contains(&rip)
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
    function: unsafe extern "sysv64" fn(*mut ()),
    frame: *mut (),
) -> abi::thread::CrossStatus {
    use abi::thread::CrossStatus;
    let control = control();
    // The kernel's own slot stands in the continuation as the caller: it never
    // dies, so the thread comes back here whatever happens to the domain that
    // asked for the service, and leaves the service in order.
    // SAFETY: the control block is the running thread's own; the stub's
    // contract is the caller's.
    let status = unsafe {
        let depth = (*control).kernel_depth;
        let current = (*control).current;
        (*control).current = crate::domain::kernel_slot();
        (*control).kernel_depth = 0;
        let status: u32;
        core::arch::asm!(
            "call {stub}",
            stub = sym redleaf_cross,
            inlateout("rax") core::ptr::from_ref(slot) => _,
            in("r10") generation,
            in("r11") function,
            in("rdi") frame,
            // No proxy, no edge.
            in("r9") 0_u64,
            lateout("edx") status,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
        );
        (*control).kernel_depth = depth;
        (*control).current = current;
        status
    };
    match status {
        0 => CrossStatus::Done,
        1 => CrossStatus::NotStarted,
        3 => CrossStatus::NoStack,
        _ => CrossStatus::Died,
    }
}

/// The stub's slow way out: the callee returned while work was pending or the
/// caller is dying.
extern "sysv64" fn returned_with_work() {
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
