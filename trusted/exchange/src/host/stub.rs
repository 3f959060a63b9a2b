//! The crossing stub of the stand-in, as the kernel's: naked assembly.

use core::arch::{asm, naked_asm};

use abi::thread::{CrossStatus, DomainSlot, ThreadControl, offset};

/// `arch_prctl` of Linux and its order to set the base of `gs`.
const SYS_ARCH_PRCTL: u64 = 158;
const ARCH_SET_GS: u64 = 0x1001;

/// Makes `gs:0` the control block.
pub fn set_gs(control: *const ThreadControl) {
    let result: i64;
    // SAFETY: glibc does not use `gs` on x86-64; the block is leaked.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") SYS_ARCH_PRCTL => result,
            in("rdi") ARCH_SET_GS,
            in("rsi") control,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    assert_eq!(result, 0, "arch_prctl(ARCH_SET_GS)");
}

/// See [`abi::thread::CrossStub`].
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn cross(
    slot: *const DomainSlot,
    generation: u64,
    function: unsafe extern "sysv64" fn(*mut ()),
    frame: *mut (),
) -> u32 {
    naked_asm!(
        "cmp qword ptr [rdi + {live}], rsi",
        "jne 2f",
        "cmp rsp, qword ptr gs:[{limit}]",
        "jb 3f",
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdi",
        "push qword ptr gs:[{current}]",
        "push qword ptr gs:[{chain}]",
        "mov qword ptr gs:[{chain}], rsp",
        "mov qword ptr gs:[{current}], rdi",
        "inc qword ptr gs:[{crossings}]",
        "mov rdi, rcx",
        "call rdx",
        "xor eax, eax",
        "jmp {leave}",
        "2:",
        "mov eax, {not_started}",
        "ret",
        "3:",
        "mov eax, {no_stack}",
        "ret",
        live = const offset::SLOT_LIVE,
        limit = const offset::STACK_LIMIT,
        current = const offset::CURRENT,
        chain = const offset::CHAIN,
        crossings = const offset::CROSSINGS,
        not_started = const CrossStatus::NotStarted as u32,
        no_stack = const CrossStatus::NoStack as u32,
        leave = sym leave,
    )
}

/// Brings the thread back to its newest continuation: its callee died.
///
/// # Safety
/// The chain is not empty.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn unwind() -> ! {
    naked_asm!(
        "mov rsp, qword ptr gs:[{chain}]",
        "mov eax, {died}",
        "jmp {leave}",
        chain = const offset::CHAIN,
        died = const CrossStatus::Died as u32,
        leave = sym leave,
    )
}

/// Unlinks the continuation at the stack pointer and returns `eax` to the caller
/// of the stub.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave() {
    naked_asm!(
        "pop qword ptr gs:[{chain}]",
        "pop qword ptr gs:[{current}]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "mov dword ptr gs:[{preempt}], 0",
        "ret",
        chain = const offset::CHAIN,
        current = const offset::CURRENT,
        preempt = const offset::PREEMPT_OFF,
    )
}
