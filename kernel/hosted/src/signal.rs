//! Signals, which stand in for interrupts and exceptions.
//!
//! Handlers run on the CPU's interrupt stack with every signal blocked, so
//! they do not nest, and do what an interrupt handler does on bare hardware:
//! tell the kernel core, which may change where the thread goes on. They may
//! interrupt anything, hence touch atomics only. The mask after a handler is
//! that of the interrupted thread: open, always.

use core::ffi::c_void;

use kernel_core::interrupt::{Event, Exception, Interrupted};
#[cfg(not(test))]
use kernel_core::interrupt::{on_exception, on_interrupt};

#[cfg(test)]
use crate::tests::{on_exception, on_interrupt};

use crate::clock;
use crate::cpu;
use crate::system_call::{Errno, exit, system_call, write_all};

/// Sent by a CPU's timer.
pub const TIMER: i32 = libc::SIGALRM;
/// Sent by another CPU.
pub const WAKE: i32 = libc::SIGUSR1;
/// Sent when console input is at hand.
pub const CONSOLE: i32 = libc::SIGUSR2;

const INTERRUPTS: [i32; 3] = [TIMER, WAKE, CONSOLE];
const EXCEPTIONS: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
];

/// Exit status of a system that failed.
const STATUS_FAILED: i32 = 125;

/// Vectors of exceptions that have no name in [`Exception`] (SDM vol. 3, 6.3.1).
const GENERAL_PROTECTION: u8 = 13;
const FLOATING_POINT: u8 = 16;
const ALIGNMENT_CHECK: u8 = 17;

/// Codes of signals, from Linux's `asm-generic/siginfo.h`.
const SI_KERNEL: i32 = 0x80;
const BUS_ADRALN: i32 = 1;
const FPE_INTDIV: i32 = 1;
const FPE_INTOVF: i32 = 2;

/// Installs all handlers. Signals reach them once a CPU opens its mask.
pub fn install() -> Result<(), Errno> {
    for signal in INTERRUPTS {
        handle(signal, interrupt_handler)?;
    }
    for signal in EXCEPTIONS {
        handle(signal, exception_handler)?;
    }
    // A reader of the console that goes away is an error of `write`.
    // SAFETY: no handler is involved.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    Ok(())
}

/// Blocks the interrupts of this CPU, or of a pthread that is none.
pub fn block() {
    change_mask(libc::SIG_BLOCK);
}

/// Lets the interrupts of this CPU in.
pub fn unblock() {
    change_mask(libc::SIG_UNBLOCK);
}

/// Waits with an open mask until a handler has run or the time is over.
pub fn wait(timeout_ns: Option<u64>) {
    let open: u64 = 0;
    let timeout = timeout_ns.map(clock::timespec);
    let timeout = timeout
        .as_ref()
        .map_or(0, |timeout| core::ptr::from_ref(timeout) as usize);
    let arguments = [0, 0, timeout, &raw const open as usize, size_of::<u64>(), 0];
    // SAFETY: Linux reads mask and timeout, which it may also update; there are
    // no descriptors.
    let _ = unsafe { system_call(libc::SYS_ppoll, arguments) };
}

type Handler = unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void);

fn handle(signal: i32, handler: Handler) -> Result<(), Errno> {
    // SAFETY: all-zero bytes are a `sigaction`; the mask is filled below. The
    // handlers keep to what this module's head says.
    let failed = unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, core::ptr::null_mut()) != 0
    };
    if failed {
        return Err(Errno::last());
    }
    Ok(())
}

fn change_mask(how: i32) {
    let mask: u64 = INTERRUPTS.iter().map(|signal| 1 << (signal - 1)).sum();
    let arguments = [
        how as usize,
        &raw const mask as usize,
        0,
        size_of::<u64>(),
        0,
        0,
    ];
    // SAFETY: Linux reads the mask; every signal in it has a handler.
    let _ = unsafe { system_call(libc::SYS_rt_sigprocmask, arguments) };
}

unsafe extern "C" fn interrupt_handler(signal: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(cpu) = cpu::current() else { return };
    let event = match signal {
        TIMER if cpu.timer_fired() => Event::Timer,
        TIMER => return,
        WAKE => Event::Wake,
        _ => Event::Console,
    };
    if !cpu.has_thread() {
        return;
    }
    // SAFETY: Linux passes the context of the interrupted thread, and this
    // handler alone uses it; gs holds a thread control block.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        change_context(registers, |interrupted| on_interrupt(event, interrupted));
    }
}

unsafe extern "C" fn exception_handler(
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: Linux passes what it says, for this handler alone.
    let (info, registers) = unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        (&*info, &mut context.uc_mcontext.gregs)
    };
    // Somebody sent it with `kill`: no instruction is to blame.
    if info.si_code <= 0 {
        return;
    }
    if !cpu::current().is_some_and(cpu::Cpu::has_thread) {
        write_all(
            2,
            b"kernel-hosted: exception outside of any RedLeaf thread\n",
        );
        exit(STATUS_FAILED);
    }
    let exception = classify(signal, info);
    // SAFETY: as above; gs holds a thread control block.
    unsafe {
        change_context(registers, |interrupted| {
            on_exception(exception, interrupted)
        });
    }
}

/// Which exception of the CPU Linux made this signal of.
fn classify(signal: i32, info: &libc::siginfo_t) -> Exception {
    // SAFETY: the signals that are asked for their address carry one.
    let address = || unsafe { info.si_addr() } as usize;
    match (signal, info.si_code) {
        (libc::SIGSEGV, SI_KERNEL) => Exception::Other(GENERAL_PROTECTION),
        (libc::SIGBUS, BUS_ADRALN) => Exception::Other(ALIGNMENT_CHECK),
        (libc::SIGSEGV | libc::SIGBUS, _) => Exception::PageFault(address()),
        (libc::SIGILL, _) => Exception::InvalidOpcode,
        (libc::SIGFPE, FPE_INTDIV | FPE_INTOVF) => Exception::DivideError,
        (libc::SIGFPE, _) => Exception::Other(FLOATING_POINT),
        _ => Exception::Breakpoint,
    }
}

/// Shows the kernel core the registers it looks at and takes them back.
fn change_context(registers: &mut [libc::greg_t; 23], change: impl FnOnce(&mut Interrupted)) {
    let read = |register: i32| registers[register as usize].cast_unsigned() as usize;
    let mut interrupted = Interrupted {
        rip: read(libc::REG_RIP),
        rsp: read(libc::REG_RSP),
        rbp: read(libc::REG_RBP),
        rdi: read(libc::REG_RDI),
    };
    change(&mut interrupted);
    let mut write = |register: i32, value: usize| {
        registers[register as usize] = (value as u64).cast_signed();
    };
    write(libc::REG_RIP, interrupted.rip);
    write(libc::REG_RSP, interrupted.rsp);
    write(libc::REG_RBP, interrupted.rbp);
    write(libc::REG_RDI, interrupted.rdi);
}
