//! Switching stacks, and the trampoline that interrupted threads run.

core::arch::global_asm!(
    ".globl redleaf_switch",
    ".type redleaf_switch, @function",
    // rdi: where to store the old stack pointer, rsi: the new one
    "redleaf_switch:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "stmxcsr dword ptr [rsp]",
    "fnstcw word ptr [rsp + 4]",
    "mov qword ptr [rdi], rsp",
    "mov rsp, rsi",
    "ldmxcsr dword ptr [rsp]",
    "fldcw word ptr [rsp + 4]",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    // An interrupted thread "returns" here, 128 bytes and one word below its
    // stack pointer; the word holds where it was.
    ".size redleaf_switch, . - redleaf_switch",
    ".globl redleaf_disturbed",
    ".type redleaf_disturbed, @function",
    "redleaf_disturbed:",
    "pushfq",
    "push rax",
    "push rcx",
    "push rdx",
    "push rbx",
    "push rbp",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "cld",
    // With all rights to protection keys; those it had are kept in r12, as calls do.
    "cmp dword ptr [rip + {has_keys}], 0",
    "je 4f",
    "xor ecx, ecx",
    "rdpkru",
    "mov r12d, eax",
    "xor eax, eax",
    "wrpkru",
    "4: mov rbx, rsp",
    "sub rsp, qword ptr [rip + {area}]",
    "and rsp, -64",
    "cmp dword ptr [rip + {has_xsave}], 0",
    "je 5f",
    // The header of the area must be zero before the first xrstor.
    "xor eax, eax",
    "mov qword ptr [rsp + 512], rax",
    "mov qword ptr [rsp + 520], rax",
    "mov qword ptr [rsp + 528], rax",
    "mov qword ptr [rsp + 536], rax",
    "mov qword ptr [rsp + 544], rax",
    "mov qword ptr [rsp + 552], rax",
    "mov qword ptr [rsp + 560], rax",
    "mov qword ptr [rsp + 568], rax",
    "mov eax, 0xe7",
    "xor edx, edx",
    "xsave64 [rsp]",
    // A frame for backtraces: where the thread was, and its frame pointer.
    "push qword ptr [rbx + 128]",
    "push rbp",
    "mov rbp, rsp",
    "mov rdi, rbx",
    "call {disturbed}",
    "add rsp, 16",
    "mov eax, 0xe7",
    "xor edx, edx",
    "xrstor64 [rsp]",
    "jmp 6f",
    "5: fxsave64 [rsp]",
    "push qword ptr [rbx + 128]",
    "push rbp",
    "mov rbp, rsp",
    "mov rdi, rbx",
    "call {disturbed}",
    "add rsp, 16",
    "fxrstor64 [rsp]",
    "6: mov rsp, rbx",
    "cmp dword ptr [rip + {has_keys}], 0",
    "je 7f",
    "mov eax, r12d",
    "xor ecx, ecx",
    "xor edx, edx",
    "wrpkru",
    "7: pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rbp",
    "pop rbx",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "popfq",
    "ret 128",
    ".size redleaf_disturbed, . - redleaf_disturbed",
    area = sym XSTATE_BYTES,
    has_xsave = sym HAS_XSAVE,
    has_keys = sym crate::harden::IS_ON,
    disturbed = sym crate::interrupt::disturbed,
);

unsafe extern "sysv64" {
    fn redleaf_switch(save: *mut usize, rsp: usize);
    fn redleaf_disturbed();
}

/// Bytes of the save area for extended state.
static XSTATE_BYTES: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(512);
/// Whether `xsave` is usable.
static HAS_XSAVE: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

/// Words the trampoline finds on the stack: registers, flags, return address.
#[repr(C)]
#[derive(Debug)]
pub struct Disturbed {
    /// r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax.
    pub registers: [u64; 15],
    /// Flags.
    pub rflags: u64,
    /// Where the thread was.
    pub rip: usize,
}

/// Bytes the trampoline and the handler behind it may need on the stack.
#[must_use]
pub fn disturbance_bytes() -> usize {
    let area = XSTATE_BYTES.load(core::sync::atomic::Ordering::Relaxed);
    usize::try_from(area).unwrap_or(4096) + 6 * 1024
}

/// Asks the CPU how large extended state is.
pub fn init() {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    use core::sync::atomic::Ordering::Relaxed;
    // CPUID.1:ECX bit 27 (OSXSAVE): the system enabled xsave.
    if __cpuid(1).ecx & (1 << 27) == 0 {
        return;
    }
    // CPUID.0DH.0:EBX: bytes for what XCR0 enables (SDM vol. 1, 13.2).
    let bytes = __cpuid_count(0xd, 0).ebx;
    XSTATE_BYTES.store(u64::from(bytes).max(576), Relaxed);
    HAS_XSAVE.store(1, Relaxed);
}

/// Where the trampoline starts.
#[must_use]
pub fn trampoline() -> usize {
    redleaf_disturbed as *const () as usize
}

/// Lays out a fresh stack so that switching to it calls `entry`; the stack
/// pointer to switch to.
///
/// # Safety
/// `top` must be the 16-byte-aligned end of an unused, mapped stack.
pub unsafe fn prepare(top: usize, entry: extern "sysv64" fn() -> !) -> usize {
    // The function finds its return address, zero, right below the end: then
    // the stack is aligned as the calling convention wants it at an entry.
    let words = (top - 72) as *mut u64;
    // SAFETY: nine words below `top` lie on the stack, which nobody uses.
    unsafe {
        // MXCSR 1F80h and control word 37Fh, their defaults after reset.
        words.write(0x0000_037f_0000_1f80);
        for register in 1..7 {
            words.add(register).write(0);
        }
        words.add(7).write(entry as *const () as u64);
        words.add(8).write(0);
    }
    words as usize
}

/// Saves this context in `save` and goes on where `rsp` was saved.
///
/// # Safety
/// `rsp` must come from [`prepare`] or an earlier switch and not be used twice;
/// the thread whose stack it is must own gs.
pub unsafe fn switch(save: *mut usize, rsp: usize) {
    // SAFETY: the caller's contract.
    unsafe { redleaf_switch(save, rsp) }
}
