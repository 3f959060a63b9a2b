//! Interrupts and exceptions: from the vector to the kernel core.

#[cfg(redleaf_image)]
use core::arch::global_asm;

use abi::protection;
use kernel_core::context;
use kernel_core::interrupt::{self, Event, Exception, Interrupted, on_exception, on_interrupt};

#[cfg(redleaf_image)]
use crate::paging;
use crate::{apic, clock, cpu, descriptors, io_apic, port, serial, shootdown};

/// Bytes between two entries in the table of handlers.
const STUB_SIZE: usize = 16;
/// First vector of devices. Below are exceptions (0 to 31) and the vectors
/// that the old interrupt controllers use when they misfire (32 to 47).
const FIRST_DEVICE: usize = 0x30;
/// Vectors for devices.
pub const DEVICE_VECTORS: usize = 0xc0;
/// The timer of the local APIC.
pub const TIMER: u8 = 0xf0;
/// Another CPU wants attention.
pub const WAKE: u8 = 0xf1;
/// The console's UART.
pub const CONSOLE: u8 = 0xf2;
/// Another CPU has changed the page tables.
pub const SHOOTDOWN: u8 = 0xf3;
/// The local APIC's spurious vector; its low four bits are ones.
pub const SPURIOUS: u8 = 0xff;

/// The non-maskable interrupt.
const NON_MASKABLE: u64 = 2;

/// Flags an exception's handler must not inherit: trap, direction, nested task,
/// alignment check.
const FLAGS_TO_CLEAR: u64 = 1 << 8 | 1 << 10 | 1 << 14 | 1 << 18;

/// What the handlers put on the interrupt stack, lowest address first.
#[repr(C)]
struct Frame {
    /// Rights of protection keys, where there are keys.
    rights: u64,
    rdi: u64,
    others: [u64; 13],
    rbp: u64,
    vector: u64,
    error: u64,
    // From here on by the processor: SDM volume 3A, section 6.14.2.
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

// Each entry pushes its vector, below an error code or a zero in its place. The
// vector registers are saved because compiled code uses SSE; wider ones keep
// their upper halves, which only newer instructions touch.
#[cfg(redleaf_image)]
global_asm!(
    ".pushsection .text.traps, \"ax\"",
    ".balign {size}",
    "trap_handlers:",
    ".set vector, 0",
    ".rept 256",
    ".balign {size}",
    ".if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 \
     && vector != 29 && vector != 30",
    "pushq $0",
    ".endif",
    "pushq $vector",
    "jmp trap_common",
    ".set vector, vector + 1",
    ".endr",
    "trap_common:",
    "pushq %rbp",
    "pushq %rax",
    "pushq %rbx",
    "pushq %rcx",
    "pushq %rdx",
    "pushq %rsi",
    "pushq %r8",
    "pushq %r9",
    "pushq %r10",
    "pushq %r11",
    "pushq %r12",
    "pushq %r13",
    "pushq %r14",
    "pushq %r15",
    "pushq %rdi",
    "cld",
    // The handler has all rights to protection keys.
    "xorl %eax, %eax",
    "cmpl $0, {has_keys}(%rip)",
    "je 2f",
    "xorl %ecx, %ecx",
    "rdpkru",
    "movl %eax, %ebx",
    "xorl %eax, %eax",
    "wrpkru",
    "movl %ebx, %eax",
    "2: pushq %rax",
    "movq %rsp, %rdi",
    "movq %rsp, %rbx",
    "andq $-16, %rsp",
    // 16 bytes stay free, to move the frame into (`shift_down`).
    "subq $272, %rsp",
    "movaps %xmm0, 0(%rsp)",
    "movaps %xmm1, 16(%rsp)",
    "movaps %xmm2, 32(%rsp)",
    "movaps %xmm3, 48(%rsp)",
    "movaps %xmm4, 64(%rsp)",
    "movaps %xmm5, 80(%rsp)",
    "movaps %xmm6, 96(%rsp)",
    "movaps %xmm7, 112(%rsp)",
    "movaps %xmm8, 128(%rsp)",
    "movaps %xmm9, 144(%rsp)",
    "movaps %xmm10, 160(%rsp)",
    "movaps %xmm11, 176(%rsp)",
    "movaps %xmm12, 192(%rsp)",
    "movaps %xmm13, 208(%rsp)",
    "movaps %xmm14, 224(%rsp)",
    "movaps %xmm15, 240(%rsp)",
    "call {dispatch}",
    "movaps 0(%rsp), %xmm0",
    "movaps 16(%rsp), %xmm1",
    "movaps 32(%rsp), %xmm2",
    "movaps 48(%rsp), %xmm3",
    "movaps 64(%rsp), %xmm4",
    "movaps 80(%rsp), %xmm5",
    "movaps 96(%rsp), %xmm6",
    "movaps 112(%rsp), %xmm7",
    "movaps 128(%rsp), %xmm8",
    "movaps 144(%rsp), %xmm9",
    "movaps 160(%rsp), %xmm10",
    "movaps 176(%rsp), %xmm11",
    "movaps 192(%rsp), %xmm12",
    "movaps 208(%rsp), %xmm13",
    "movaps 224(%rsp), %xmm14",
    "movaps 240(%rsp), %xmm15",
    "movq %rax, %rsp",
    "popq %rax",
    "cmpl $0, {has_keys}(%rip)",
    "je 3f",
    "xorl %ecx, %ecx",
    "xorl %edx, %edx",
    "wrpkru",
    "3: popq %rdi",
    "popq %r15",
    "popq %r14",
    "popq %r13",
    "popq %r12",
    "popq %r11",
    "popq %r10",
    "popq %r9",
    "popq %r8",
    "popq %rsi",
    "popq %rdx",
    "popq %rcx",
    "popq %rbx",
    "popq %rax",
    "popq %rbp",
    "addq $16, %rsp",
    "iretq",
    ".popsection",
    size = const STUB_SIZE,
    dispatch = sym dispatch,
    has_keys = sym paging::HAS_KEYS,
    options(att_syntax)
);

unsafe extern "C" {
    #[link_name = "trap_handlers"]
    static TRAP_HANDLERS: u8;
}

/// Fills the interrupt table that all CPUs share.
pub fn init() {
    // SAFETY: the assembly above consists of handlers that keep registers, and
    // this runs once, before the boot CPU loads its tables.
    unsafe {
        descriptors::fill_interrupt_table(&raw const TRAP_HANDLERS as usize, STUB_SIZE);
    }
}

/// The vector behind device vector number `number`.
pub fn device_vector(number: usize) -> u8 {
    (FIRST_DEVICE + number) as u8
}

/// Whether a vector is a device's or the console's, which alone an IOMMU lets through.
pub fn is_for_devices(vector: u8) -> bool {
    let devices = FIRST_DEVICE..FIRST_DEVICE + DEVICE_VECTORS;
    vector == CONSOLE || devices.contains(&usize::from(vector))
}

/// Handles what has happened; where the registers to return with lie.
extern "sysv64" fn dispatch(frame: &mut Frame) -> *mut Frame {
    let vector = frame.vector as u8;
    if vector < FIRST_DEVICE as u8 || vector == SPURIOUS {
        // An exception is never in service, nor is what the old controllers misfire.
        let is_forged = apic::is_in_service(vector);
        if is_forged || vector >= 32 {
            interrupt::note_spurious(vector);
        }
        if is_forged {
            apic::end_of_interrupt();
            return if has_error_code(vector) {
                shift_down(frame)
            } else {
                frame
            };
        }
    }
    handle(frame);
    frame
}

/// Exceptions that put an error code onto the stack (SDM volume 3A, table 6-1); an
/// interrupt with such a vector does not.
const fn has_error_code(vector: u8) -> bool {
    matches!(vector, 8 | 10..=14 | 17 | 21 | 29 | 30)
}

/// Moves the registers below an error code that is not there: what the handler takes
/// for it is the instruction pointer already.
fn shift_down(frame: &mut Frame) -> *mut Frame {
    let words = (&raw mut *frame).cast::<u64>();
    let registers = core::mem::offset_of!(Frame, error) / 8;
    // SAFETY: the words are the frame's, and the entry code has left two free below.
    unsafe {
        let lower = words.sub(1);
        core::ptr::copy(words, lower, registers);
        lower.cast()
    }
}

/// Whether a non-maskable interrupt is the machine's: a bus error or a parity error,
/// which the system control port tells (ICH9 datasheet, section 13.7.1). Else a message
/// was forged, or nobody knows why it came.
fn is_bus_trouble() -> bool {
    /// System control port B: SERR# and IOCHK# NMI source.
    const CONTROL_PORT: u16 = 0x61;
    const SOURCES: u8 = 0xc0;
    // SAFETY: every PC has the port, and reading it has no effect.
    unsafe { port::read_u8(CONTROL_PORT) & SOURCES != 0 }
}

fn handle(frame: &mut Frame) {
    if frame.vector == NON_MASKABLE && !is_bus_trouble() {
        return interrupt::note_spurious(frame.vector as u8);
    }
    let mut interrupted = Interrupted {
        rip: frame.rip as usize,
        rsp: frame.rsp as usize,
        rbp: frame.rbp as usize,
        rdi: frame.rdi as usize,
    };
    if is_machine_trouble(frame.vector) {
        kernel_core::panic::exception(exception(frame), &interrupted);
    } else if frame.vector < 32 {
        // SAFETY: gs:0 is valid since `start`, and this is the interrupt stack.
        unsafe { on_exception(exception(frame), &mut interrupted) };
        if interrupted.rip as u64 != frame.rip {
            frame.rflags &= !FLAGS_TO_CLEAR;
        }
    } else if let Some(event) = event(frame.vector as u8) {
        // SAFETY: as above.
        unsafe { on_interrupt(event, &mut interrupted) };
    }
    // The spurious vector and those of the old controllers are not in service.
    if usize::from(frame.vector as u8) >= FIRST_DEVICE && frame.vector as u8 != SPURIOUS {
        apic::end_of_interrupt();
    }
    let is_led_away = interrupted.rip as u64 != frame.rip;
    if is_led_away && interrupted.rip != context::trampoline() {
        // It goes on in the kernel. The trampoline keeps rights and gives them back.
        frame.rights = protection::ALL_RIGHTS.into();
    }
    frame.rip = interrupted.rip as u64;
    frame.rsp = interrupted.rsp as u64;
    frame.rbp = interrupted.rbp as u64;
    frame.rdi = interrupted.rdi as u64;
}

/// Non-maskable interrupt, double fault, machine check: never the fault of the
/// code that they interrupt.
fn is_machine_trouble(vector: u64) -> bool {
    matches!(vector, NON_MASKABLE | 8 | 18)
}

fn exception(frame: &Frame) -> Exception {
    /// Error code of a page fault: a protection key forbade it (SDM volume 3A,
    /// section 4.7).
    const KEY: u64 = 1 << 5;
    match frame.vector as u8 {
        0 => Exception::DivideError,
        3 => Exception::Breakpoint,
        6 => Exception::InvalidOpcode,
        14 if frame.error & KEY != 0 => Exception::ProtectionKey(cpu::page_fault_address()),
        14 => Exception::PageFault(cpu::page_fault_address()),
        other => Exception::Other(other),
    }
}

/// What the kernel core is to hear of a vector; nothing of one nobody asked for.
fn event(vector: u8) -> Option<Event> {
    match vector {
        TIMER => clock::on_timer().then_some(Event::Timer),
        WAKE => Some(Event::Wake),
        SHOOTDOWN => {
            shootdown::on_interrupt();
            None
        }
        CONSOLE => {
            serial::on_input();
            Some(Event::Console)
        }
        _ => {
            let number = usize::from(vector).wrapping_sub(FIRST_DEVICE);
            (number < DEVICE_VECTORS).then(|| {
                io_apic::on_interrupt(number);
                Event::Device(number)
            })
        }
    }
}
