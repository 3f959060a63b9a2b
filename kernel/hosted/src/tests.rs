//! The machine under a kernel core of a few lines, each test in a process.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::boxed::Box;

use abi::thread::ThreadControl;
use kernel_core::interrupt::{Event, Exception, Interrupted};
use kernel_core::machine::Permission;

use crate::clock;
use crate::cpu::{self, Cpu};
use crate::memory::Memory;
use crate::signal;
use crate::system_call::exit;

static TIMERS: AtomicU32 = AtomicU32::new(0);
static WAKES: AtomicU32 = AtomicU32::new(0);
static REDIRECT: AtomicBool = AtomicBool::new(false);
static DISTURBED: AtomicU32 = AtomicU32::new(0);
/// What [`report_exception`] compares the exception with.
static EXPECTED: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(0);
static FAULT_ADDRESS: AtomicUsize = AtomicUsize::new(0);
/// The address [`report_exception`] expects; 0: any.
static EXPECTED_ADDRESS: AtomicUsize = AtomicUsize::new(0);

const STATUS_PASSED: i32 = 42;

/// Stands in for the kernel core's.
///
/// # Safety
/// As the kernel core's.
pub unsafe fn on_interrupt(event: Event, context: &mut Interrupted) {
    match event {
        Event::Timer => TIMERS.fetch_add(1, Ordering::Relaxed),
        Event::Wake => WAKES.fetch_add(1, Ordering::Relaxed),
        Event::Console | Event::Device(_) => 0,
    };
    if REDIRECT.load(Ordering::Relaxed) {
        context.rsp -= 136;
        // SAFETY: the thread's stack goes on below the red zone.
        unsafe { (context.rsp as *mut usize).write(context.rip) };
        context.rip = test_disturbed as *const () as usize;
    }
}

/// Stands in for the kernel core's.
///
/// # Safety
/// As the kernel core's.
pub unsafe fn on_exception(exception: Exception, context: &mut Interrupted) {
    SEEN.store(number(exception), Ordering::Relaxed);
    context.rsp = ((context.rsp - 128) & !15) - 8;
    context.rip = report_exception as *const () as usize;
    context.rdi = 7;
}

fn number(exception: Exception) -> u64 {
    match exception {
        Exception::PageFault(address) => {
            FAULT_ADDRESS.store(address, Ordering::Relaxed);
            14
        }
        Exception::InvalidOpcode => 6,
        Exception::DivideError => 0,
        Exception::Breakpoint => 3,
        Exception::ProtectionKey(_) => 99,
        Exception::Other(vector) => 100 + u64::from(vector),
    }
}

extern "C" fn report_exception(argument: usize) -> ! {
    let expected_address = EXPECTED_ADDRESS.load(Ordering::Relaxed);
    let as_expected = SEEN.load(Ordering::Relaxed) == EXPECTED.load(Ordering::Relaxed)
        && (expected_address == 0 || expected_address == FAULT_ADDRESS.load(Ordering::Relaxed));
    exit(if as_expected && argument == 7 {
        STATUS_PASSED
    } else {
        1
    })
}

core::arch::global_asm!(
    "test_disturbed:",
    "pushfq",
    "lock inc dword ptr [rip + {disturbed}]",
    "popfq",
    "ret 128",
    disturbed = sym DISTURBED,
);

unsafe extern "C" {
    fn test_disturbed();
}

/// Runs `body` on a CPU in a child process; it passes by answering true.
fn on_a_cpu(no_timer: bool, body: impl FnOnce(&'static Cpu) -> bool) {
    in_a_child(|| {
        clock::start();
        cpu::configure(no_timer);
        let cpu = signal::install().and_then(|()| cpu::adopt_pthread(0));
        let Ok(cpu) = cpu else { exit(2) };
        // SAFETY: all-zero bytes are a control block; it is never freed.
        unsafe {
            let control: &mut ThreadControl = Box::leak(Box::new(core::mem::zeroed()));
            control.this = control;
            cpu.load_thread(control);
        }
        body(cpu)
    });
}

/// Runs `body` in a child process; it passes by answering true.
pub fn in_a_child(body: impl FnOnce() -> bool) {
    // SAFETY: the child is a copy with this one thread, and ends in `exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        exit(if body() { STATUS_PASSED } else { 3 });
    }
    let mut status = 0;
    // SAFETY: it waits for our child and writes its status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    assert!(libc::WIFEXITED(status), "ended by signal: {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), STATUS_PASSED);
}

fn milliseconds(count: u64) -> u64 {
    count * 1_000_000
}

/// Waits until `condition` holds, at most two seconds.
fn holds_soon(condition: impl Fn() -> bool) -> bool {
    while !condition() {
        if clock::now_ns() > milliseconds(2000) {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

fn spin_until(moment_ns: u64) {
    while clock::now_ns() < moment_ns {
        core::hint::spin_loop();
    }
}

fn timers() -> u32 {
    TIMERS.load(Ordering::Relaxed)
}

#[test]
fn the_thread_is_at_gs() {
    on_a_cpu(false, |_| {
        let this: usize;
        let first: usize;
        // SAFETY: gs holds a control block, which starts with its address.
        unsafe {
            core::arch::asm!("mov {}, gs:[0]", out(reg) this);
            first = (this as *const usize).read();
        }
        this == first
    });
}

#[test]
fn the_timer_fires_once_and_in_time() {
    on_a_cpu(false, |cpu| {
        cpu.set_timer(milliseconds(5));
        let fired = holds_soon(|| timers() == 1);
        let at_ns = clock::now_ns();
        spin_until(at_ns + milliseconds(10));
        fired && at_ns >= milliseconds(5) && timers() == 1
    });
}

#[test]
fn a_deadline_can_be_moved_and_taken_back() {
    on_a_cpu(false, |cpu| {
        cpu.set_timer(milliseconds(5));
        cpu.set_timer(milliseconds(20));
        let moved = holds_soon(|| timers() == 1) && clock::now_ns() >= milliseconds(20);
        cpu.set_timer(clock::now_ns() + milliseconds(50));
        cpu.set_timer(clock::now_ns() + milliseconds(5));
        let earlier = holds_soon(|| timers() == 2) && clock::now_ns() < milliseconds(60);
        cpu.set_timer(clock::now_ns() + milliseconds(5));
        cpu.set_timer(u64::MAX);
        spin_until(clock::now_ns() + milliseconds(15));
        moved && earlier && timers() == 2
    });
}

#[test]
fn a_deadline_in_the_past_fires_at_once() {
    on_a_cpu(false, |cpu| {
        cpu.set_timer(0);
        holds_soon(|| timers() == 1)
    });
}

#[test]
fn an_interrupted_thread_goes_on_behind_the_trampoline() {
    on_a_cpu(false, |cpu| {
        REDIRECT.store(true, Ordering::Relaxed);
        let mut sum = 0_u64;
        let mut expected = 0_u64;
        for round in 0..200 {
            cpu.set_timer(0);
            for number in 0..round {
                sum = core::hint::black_box(sum + number);
            }
            expected += round * round.saturating_sub(1) / 2;
        }
        holds_soon(|| DISTURBED.load(Ordering::Relaxed) == timers())
            && sum == expected
            && timers() > 0
    });
}

#[test]
fn idle_ends_with_an_interrupt() {
    on_a_cpu(false, |cpu| {
        cpu.set_timer(milliseconds(10));
        cpu.idle(&|| false);
        timers() == 1 && clock::now_ns() >= milliseconds(10)
    });
}

#[test]
fn idle_does_not_wait_when_there_is_work() {
    on_a_cpu(false, |cpu| {
        cpu.idle(&|| true);
        // What arrives between check and wait ends the wait.
        cpu.idle(&|| {
            cpu::send(0, signal::WAKE);
            false
        });
        WAKES.load(Ordering::Relaxed) == 1
    });
}

#[test]
fn without_timer_nothing_is_preempted() {
    on_a_cpu(true, |cpu| {
        cpu.set_timer(milliseconds(2));
        spin_until(milliseconds(10));
        let quiet = timers() == 0;
        cpu.idle(&|| false);
        let in_idle = timers() == 1;
        cpu.set_timer(0);
        quiet && in_idle && timers() == 2
    });
}

fn raises(expected: u64, fault: impl FnOnce()) {
    on_a_cpu(false, |_| {
        EXPECTED.store(expected, Ordering::Relaxed);
        fault();
        false
    });
}

#[test]
fn exceptions_are_told_apart() {
    // SAFETY: each raises an exception, after which the child reports.
    unsafe {
        raises(6, || core::arch::asm!("ud2"));
        raises(3, || core::arch::asm!("int3"));
        raises(0, || {
            core::arch::asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _);
        });
        raises(113, || {
            core::arch::asm!("mov {0}, [{0}]", inout(reg) 0x8000_0000_0000_0000_u64 => _);
        });
        raises(113, || core::arch::asm!("cli"));
    }
}

#[test]
fn permissions_are_kept() {
    let write = |at: usize| {
        // SAFETY: it faults, after which the child reports.
        unsafe { core::arch::asm!("mov byte ptr [{}], 1", in(reg) at) }
    };
    let execute = |at: usize| {
        // SAFETY: it faults, after which the child reports.
        unsafe { core::arch::asm!("call {}", in(reg) at, clobber_abi("sysv64")) }
    };
    for (permission, touch) in [
        (Permission::Read, &write as &dyn Fn(usize)),
        (Permission::ReadExecute, &write),
        (Permission::Read, &execute),
        (Permission::ReadWrite, &execute),
    ] {
        raises(14, || {
            let memory = Memory::new(1 << 20).expect("the host has 1 MiB");
            let at = memory.mapping_area().start;
            memory.map(at, 0, 1, permission).expect("the place is free");
            touch(at);
        });
    }
    raises(14, || {
        let memory = Memory::new(1 << 20).expect("the host has 1 MiB");
        let at = memory.mapping_area().start;
        memory
            .map(at, 0, 1, Permission::ReadWrite)
            .expect("the place is free");
        write(at);
        memory.unmap(at, 1);
        write(at);
    });
}

#[test]
fn a_page_fault_names_its_address() {
    raises(14, || {
        EXPECTED_ADDRESS.store(0x1238, Ordering::Relaxed);
        // SAFETY: it faults, after which the child reports.
        unsafe {
            core::arch::asm!("mov {0}, [{0}]", inout(reg) 0x1238_usize => _);
        }
    });
}
