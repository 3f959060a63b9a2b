//! The crossing stub of the stand-in, as the kernel's: naked assembly.

use core::arch::{asm, naked_asm};

use abi::thread::{CrossStatus, ThreadControl, offset};

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
/// As there: called from assembly.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn cross() {
    naked_asm!(
        "cmp qword ptr [rax + {live}], r10",
        "jne 2f",
        "cmp rsp, qword ptr gs:[{limit}]",
        "jb 3f",
        "push rbp",
        "push rbx",
        "push rax",
        "push qword ptr gs:[{current}]",
        "push qword ptr gs:[{chain}]",
        "mov qword ptr gs:[{chain}], rsp",
        "mov qword ptr gs:[{current}], rax",
        "call r11",
        "xor edx, edx",
        "jmp {leave}",
        "2:",
        "mov edx, {not_started}",
        "ret",
        "3:",
        "mov edx, {no_stack}",
        "ret",
        live = const offset::SLOT_LIVE,
        limit = const offset::STACK_LIMIT,
        current = const offset::CURRENT,
        chain = const offset::CHAIN,
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
        "mov edx, {died}",
        "jmp {leave}",
        chain = const offset::CHAIN,
        died = const CrossStatus::Died as u32,
        leave = sym leave,
    )
}

/// Unlinks the continuation at the stack pointer and returns to the caller of the
/// stub, with its status in `edx`.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave() {
    naked_asm!(
        "pop qword ptr gs:[{chain}]",
        "pop qword ptr gs:[{current}]",
        "add rsp, 8",
        "pop rbx",
        "pop rbp",
        "mov dword ptr gs:[{preempt}], 0",
        "ret",
        chain = const offset::CHAIN,
        current = const offset::CURRENT,
        preempt = const offset::PREEMPT_OFF,
    )
}
