//! The kernel's own end: a readable report, then power off.

use core::fmt::{Arguments, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::death::RawCrash;
use crate::interrupt::{Exception, Interrupted};
use crate::machine;

/// Exit status of a machine whose kernel failed.
pub const FAILED_STATUS: i32 = 125;

static PANICKING: AtomicBool = AtomicBool::new(false);

/// Writes straight to the machine's log outlet, without locks or memory.
struct Outlet;

impl Write for Outlet {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        machine::get().log_write(text.as_bytes());
        Ok(())
    }
}

/// Reports a panic of the kernel and powers off.
pub fn report(info: &PanicInfo<'_>) -> ! {
    let message = info.message();
    match info.location() {
        Some(place) => fatal(format_args!(
            "{message} ({}:{})",
            place.file(),
            place.line()
        )),
        None => fatal(format_args!("{message}")),
    }
}

/// Reports an exception in the kernel and powers off.
pub fn exception(exception: Exception, context: &Interrupted) -> ! {
    // SAFETY: the machine calls this with the interrupted thread's gs.
    let crash = unsafe { RawCrash::walk(context.rip, context.rbp, &readable_stack(context.rsp)) };
    stop(
        format_args!(
            "{exception:x?} at {:#x}, stack {:#x}",
            context.rip, context.rsp
        ),
        &crash,
    )
}

/// Reports why the kernel cannot go on and powers off.
pub fn fatal(message: Arguments<'_>) -> ! {
    let (frame, rsp): (usize, usize);
    // SAFETY: reads two registers.
    unsafe {
        core::arch::asm!("mov {}, rbp", "mov {}, rsp", out(reg) frame, out(reg) rsp, options(nomem, nostack))
    };
    // SAFETY: the stack is the running thread's own.
    let crash = unsafe { RawCrash::walk(fatal as *const () as usize, frame, &readable_stack(rsp)) };
    stop(message, &crash)
}

/// Says in one line why the system is not started and powers off. Not the kernel
/// is at fault but what it was given, so there is nothing to trace.
pub fn refuse(message: Arguments<'_>) -> ! {
    give_up(format_args!("cannot start: {message}"))
}

/// Says in one line why the system does not go on and powers off, where not the kernel
/// is at fault.
pub fn give_up(message: Arguments<'_>) -> ! {
    log::error!("{message}");
    log::info!("redleaf: exit status {FAILED_STATUS}");
    crate::log::flush();
    machine::get().power_off(FAILED_STATUS)
}

/// The stack to walk: the thread's, or a little above `rsp` on a boot stack.
fn readable_stack(rsp: usize) -> core::ops::Range<usize> {
    let stack = crate::thread::current().stack_range();
    if stack.contains(&rsp) {
        stack
    } else {
        rsp..rsp + 4096
    }
}

fn stop(message: Arguments<'_>, crash: &RawCrash) -> ! {
    if PANICKING.swap(true, Ordering::SeqCst) {
        machine::get().power_off(FAILED_STATUS);
    }
    core::mem::forget(crate::sync::PreemptOff::new());
    crate::log::break_open();
    crate::log::flush();
    let mut out = Outlet;
    crate::log::begin_last_words();
    // The outlet cannot fail.
    let _ = writeln!(out, "kernel panic: {message}");
    for (depth, &address) in crash.backtrace[..crash.depth].iter().enumerate() {
        let _ = write!(out, "  {depth:2}: {address:#x} ");
        let _ =
            crate::boot::describe_kernel(if depth == 0 { address } else { address - 1 }, &mut out);
        let _ = writeln!(out);
    }
    crate::log::begin_last_words();
    let _ = writeln!(out, "redleaf: exit status {FAILED_STATUS}");
    machine::get().power_off(FAILED_STATUS)
}
