//! Segments, task state and the interrupt table.
//!
//! SDM volume 3A, chapters 3, 6 and 8.
//! Code compiled for the System V ABI keeps data below its stack pointer (the
//! red zone), so every vector switches to a stack of its own through the
//! interrupt stack table (IST). One global descriptor table serves all CPUs;
//! the task register tells which of them runs ([`current_cpu`]).

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::cpu::MAX_CPUS;
use crate::memory::PAGE;

/// Selector of the kernel's code segment; the entry code uses the same.
const CODE_SELECTOR: u16 = 8;
/// Selector of the first CPU's task state segment.
const FIRST_TASK_SELECTOR: u16 = 24;
/// Bytes of a task state segment.
const TASK_STATE_SIZE: usize = size_of::<TaskState>();
/// Null, code, data, and two words for each CPU's task state segment.
const DESCRIPTORS: usize = 3 + 2 * MAX_CPUS;
/// Interrupt vectors.
const VECTORS: usize = 256;

/// Pages of an interrupt stack, and below each a guard page.
pub const STACK_PAGES: u64 = 8;
/// Pages of the stacks of one CPU, guards included.
pub const ALL_STACKS_PAGES: u64 = STACKS as u64 * (STACK_PAGES + 1);
const STACKS: usize = 5;

/// What a vector's handler runs on. Kinds that can interrupt each other differ.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Stack {
    Interrupt = 1,
    Exception = 2,
    NonMaskable = 3,
    DoubleFault = 4,
    MachineCheck = 5,
}

impl Stack {
    fn of_vector(vector: usize) -> Self {
        match vector {
            2 => Self::NonMaskable,
            8 => Self::DoubleFault,
            18 => Self::MachineCheck,
            0..32 => Self::Exception,
            _ => Self::Interrupt,
        }
    }
}

/// SDM volume 3A, figure 8-11.
#[repr(C, packed(4))]
#[derive(Clone, Copy)]
struct TaskState {
    reserved: u32,
    privilege_stacks: [u64; 3],
    reserved_2: u64,
    interrupt_stacks: [u64; 7],
    reserved_3: u64,
    reserved_4: u16,
    io_map: u16,
}

/// SDM volume 3A, figure 6-8: a gate of the interrupt table.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Gate {
    low: u64,
    high: u64,
}

/// The operand of `lgdt` and `lidt`.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Written by the CPU that starts up, one slot per CPU; the processor reads it.
static DESCRIPTOR_TABLE: [AtomicU64; DESCRIPTORS] = {
    let mut table = [const { AtomicU64::new(0) }; DESCRIPTORS];
    table[1] = AtomicU64::new(0x00af_9b00_0000_ffff);
    table[2] = AtomicU64::new(0x00cf_9300_0000_ffff);
    table
};

/// One for each CPU; only that CPU touches it.
static mut TASK_STATES: [TaskState; MAX_CPUS] = [TaskState {
    reserved: 0,
    privilege_stacks: [0; 3],
    reserved_2: 0,
    interrupt_stacks: [0; 7],
    reserved_3: 0,
    reserved_4: 0,
    io_map: TASK_STATE_SIZE as u16,
}; MAX_CPUS];

/// Written before the first CPU loads it, then only read.
static mut GATES: [Gate; VECTORS] = [Gate { low: 0, high: 0 }; VECTORS];

/// Fills the interrupt table with `handlers`, which are `stride` bytes apart.
///
/// # Safety
/// Each must be the address of a handler that keeps all registers and returns
/// by `iretq`. No CPU may have loaded the table yet.
pub unsafe fn fill_interrupt_table(handlers: usize, stride: usize) {
    /// Present, 64-bit interrupt gate.
    const INTERRUPT_GATE: u64 = 0x8e << 40;
    let gates = &raw mut GATES;
    // SAFETY: nobody else uses the table yet.
    let gates = unsafe { &mut *gates };
    for (vector, gate) in gates.iter_mut().enumerate() {
        let handler = (handlers + vector * stride) as u64;
        let stack = Stack::of_vector(vector) as u64;
        let low = handler & 0xffff
            | u64::from(CODE_SELECTOR) << 16
            | stack << 32
            | INTERRUPT_GATE
            | (handler >> 16 & 0xffff) << 48;
        *gate = Gate {
            low,
            high: handler >> 32,
        };
    }
}

/// Loads the tables on this CPU, whose number is `cpu`.
///
/// # Safety
/// The interrupt table must be filled; [`ALL_STACKS_PAGES`] pages from `stacks`
/// on must be mapped and belong to this CPU for ever. Once per CPU.
pub unsafe fn load(cpu: usize, stacks: usize) {
    let task_states = &raw mut TASK_STATES;
    // SAFETY: each CPU has an element of its own.
    let task_state = unsafe { &mut (*task_states)[cpu] };
    for stack in 0..STACKS {
        let top = (stack as u64 + 1) * (STACK_PAGES + 1) * PAGE;
        task_state.interrupt_stacks[stack] = stacks as u64 + top;
    }
    let base = &raw const *task_state as u64;
    let slot = usize::from(FIRST_TASK_SELECTOR) / 8 + 2 * cpu;
    // SDM volume 3A, figure 8-4: present, 64-bit task state segment, available.
    let low = (TASK_STATE_SIZE as u64 - 1)
        | (base & 0xff_ffff) << 16
        | 0x89 << 40
        | (base >> 24 & 0xff) << 56;
    DESCRIPTOR_TABLE[slot].store(low, Ordering::Relaxed);
    DESCRIPTOR_TABLE[slot + 1].store(base >> 32, Ordering::Relaxed);
    let descriptors = TablePointer {
        limit: (size_of_val(&DESCRIPTOR_TABLE) - 1) as u16,
        base: DESCRIPTOR_TABLE.as_ptr() as u64,
    };
    let gates = TablePointer {
        limit: (VECTORS * size_of::<Gate>() - 1) as u16,
        base: &raw const GATES as u64,
    };
    // SAFETY: code and data segments stay what the entry code loaded, the task
    // state was just filled in, and the tables live for ever.
    unsafe {
        asm!(
            "lgdt [{descriptors}]", "ltr {task:x}", "lidt [{gates}]",
            descriptors = in(reg) &raw const descriptors,
            gates = in(reg) &raw const gates,
            task = in(reg) slot as u64 * 8,
            options(nostack),
        );
    }
}

/// Number of the CPU this runs on. Meaningful with pre-emption off, and only
/// after [`load`].
pub fn current_cpu() -> usize {
    let selector: u64;
    // SAFETY: reading the task register has no effect.
    unsafe { asm!("str {}", out(reg) selector, options(nostack, nomem, preserves_flags)) };
    usize::from(selector as u16).saturating_sub(FIRST_TASK_SELECTOR.into()) / 16
}
