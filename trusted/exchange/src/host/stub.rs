//! The crossing stub of the stand-in: the kernel's own text.

use core::arch::{asm, global_asm, naked_asm};
use core::sync::atomic::AtomicU64;

use abi::thread::{CONTINUATION_ROOM, CrossStatus, ThreadControl, offset};

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

global_asm!(
    include_str!("../../../../kernel/core/src/crossing.s"),
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
    interval = sym INTERVAL,
    ends = const size_of::<u64>(),
    sampled = sym sampled,
    unwind_further = sym unwind_further,
);

unsafe extern "sysv64" {
    fn redleaf_cross();
    fn redleaf_cross_moving();
    fn redleaf_unwind() -> !;
    fn redleaf_cross_end();
}

/// Of the only edge there is: its counter, and the count at the interval's end.
pub type Counters = [u64; 2];

/// Calls are counted from 0 on, so no interval ever ends.
static INTERVAL: AtomicU64 = AtomicU64::new(1);

extern "sysv64" fn sampled() {
    unreachable!("an interval has ended");
}

/// Goes on to the next caller. The last one, which a test is, runs on also when it is
/// dead: the continuation that was just taken lies above the return address and a word
/// that aligns the stack.
#[unsafe(naked)]
extern "sysv64" fn unwind_further() -> ! {
    naked_asm!(
        "cmp qword ptr gs:[{chain}], 0",
        "jne redleaf_unwind",
        "lea rsp, [rsp + 16]",
        "mov dword ptr gs:[{preempt_off}], 0",
        "mov edx, {died}",
        "ret",
        chain = const offset::CHAIN,
        preempt_off = const offset::PREEMPT_OFF,
        died = const CrossStatus::Died.outcome(),
    )
}

/// Address of the stub; see [`ThreadControl::cross`].
pub fn address() -> usize {
    redleaf_cross as *const () as usize
}

/// Address of the stub for calls that move exchange objects; see
/// [`ThreadControl::cross_moving`].
pub fn moving_address() -> usize {
    redleaf_cross_moving as *const () as usize
}

/// Address of the unwinder.
pub fn unwinder() -> usize {
    redleaf_unwind as *const () as usize
}

/// Whether an instruction pointer lies in a stub or the unwinder.
pub fn is_in_stub(rip: usize) -> bool {
    (address()..redleaf_cross_end as *const () as usize).contains(&rip)
}

/// Brings the thread back to its newest continuation whose caller lives, or to the
/// last: its callee died.
///
/// # Safety
/// The chain is not empty.
pub unsafe fn unwind() -> ! {
    // SAFETY: the caller's promise.
    unsafe { redleaf_unwind() }
}
