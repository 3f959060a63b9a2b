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

/// A stub, which does `$before` once the call is sure to start; `$end` is its end.
macro_rules! stub {
    ($(#[$attribute:meta])* $name:ident, $end:literal, $($before:literal)?) => {
        $(#[$attribute])*
        #[unsafe(naked)]
        pub unsafe extern "sysv64" fn $name() {
            naked_asm!(
                "cmp qword ptr [rax + {live}], r10",
                "jne 2f",
                "cmp rsp, qword ptr gs:[{limit}]",
                "jb 3f",
                $($before,)?
                "mov r12, qword ptr gs:[{chain}]",
                "mov r13, qword ptr gs:[{current}]",
                "mov qword ptr [rsp + {previous}], r12",
                "mov qword ptr [rsp + {caller}], r13",
                "mov qword ptr [rsp + {callee}], rax",
                "mov qword ptr [rsp + {kept_rbx}], rbx",
                "mov qword ptr [rsp + {kept_rbp}], rbp",
                "mov qword ptr gs:[{chain}], rsp",
                "mov qword ptr gs:[{current}], rax",
                "jmp qword ptr [rdx + r11]",
                "2: mov edx, {not_started}",
                "jmp 4f",
                "3: mov edx, {no_stack}",
                "4: mov r12, qword ptr gs:[{chain}]",
                "mov r13, qword ptr gs:[{current}]",
                "ret",
                concat!(".globl ", $end),
                concat!($end, ":"),
                // An operand has to be used.
                "/* {preempt} */",
                live = const offset::SLOT_LIVE,
                limit = const offset::STACK_LIMIT,
                current = const offset::CURRENT,
                chain = const offset::CHAIN,
                preempt = const offset::PREEMPT_OFF,
                previous = const offset::PREVIOUS,
                caller = const offset::CALLER,
                callee = const offset::CALLEE,
                kept_rbx = const offset::KEPT_RBX,
                kept_rbp = const offset::KEPT_RBP,
                not_started = const CrossStatus::NotStarted.outcome(),
                no_stack = const CrossStatus::NoStack.outcome(),
            )
        }
    };
}

stub!(
    /// See [`abi::thread::CrossStub`].
    ///
    /// # Safety
    /// As there: called from assembly.
    cross,
    "redleaf_host_cross_end",
);

stub!(
    /// See [`ThreadControl::cross_moving`].
    ///
    /// # Safety
    /// As for [`cross`].
    cross_moving,
    "redleaf_host_cross_moving_end",
    "mov dword ptr gs:[{preempt}], 1"
);

unsafe extern "sysv64" {
    safe static redleaf_host_cross_end: u8;
    safe static redleaf_host_cross_moving_end: u8;
}

/// Whether an instruction pointer lies in a stub.
pub fn is_in_stub(rip: usize) -> bool {
    let stubs = [
        (cross as *const (), &raw const redleaf_host_cross_end),
        (
            cross_moving as *const (),
            &raw const redleaf_host_cross_moving_end,
        ),
    ];
    stubs
        .iter()
        .any(|(start, end)| (start.addr()..end.addr()).contains(&rip))
}

/// Brings the thread back to its newest continuation: its callee died.
///
/// # Safety
/// The chain is not empty.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn unwind() -> ! {
    naked_asm!(
        "mov rsp, qword ptr gs:[{chain}]",
        "mov r12, qword ptr [rsp + {previous}]",
        "mov r13, qword ptr [rsp + {caller}]",
        "mov rbx, qword ptr [rsp + {kept_rbx}]",
        "mov rbp, qword ptr [rsp + {kept_rbp}]",
        "mov dword ptr gs:[{preempt}], 0",
        "mov edx, {died}",
        "ret",
        chain = const offset::CHAIN,
        preempt = const offset::PREEMPT_OFF,
        previous = const offset::PREVIOUS,
        caller = const offset::CALLER,
        kept_rbx = const offset::KEPT_RBX,
        kept_rbp = const offset::KEPT_RBP,
        died = const CrossStatus::Died.outcome(),
    )
}
