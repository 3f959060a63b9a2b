//! The local APIC (SDM volume 3A, chapter 11), in xAPIC or x2APIC mode.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crate::cpu::{self, Features, MAX_CPUS, msr};
use crate::{port, traps};

/// Register offsets of the xAPIC; the x2APIC's MSRs follow from them (table 11-6).
mod register {
    pub const ID: u32 = 0x20;
    pub const TASK_PRIORITY: u32 = 0x80;
    pub const END_OF_INTERRUPT: u32 = 0xb0;
    pub const SPURIOUS: u32 = 0xf0;
    pub const IN_SERVICE: u32 = 0x100;
    pub const ERROR_STATUS: u32 = 0x280;
    pub const COMMAND: u32 = 0x300;
    pub const COMMAND_DESTINATION: u32 = 0x310;
    pub const TIMER: u32 = 0x320;
    pub const LINT0: u32 = 0x350;
    pub const LINT1: u32 = 0x360;
    pub const ERROR: u32 = 0x370;
    pub const TIMER_INITIAL: u32 = 0x380;
    pub const TIMER_CURRENT: u32 = 0x390;
    pub const TIMER_DIVIDE: u32 = 0x3e0;
}

mod bit {
    /// APIC base: on, and x2APIC mode.
    pub const ENABLE: u64 = 1 << 11;
    pub const X2APIC: u64 = 1 << 10;
    /// Spurious vector register: the APIC takes interrupts.
    pub const SOFTWARE_ENABLE: u32 = 1 << 8;
    /// Local vector: no interrupts.
    pub const MASKED: u32 = 1 << 16;
    /// Local vector: a non-maskable interrupt.
    pub const NON_MASKABLE: u32 = 4 << 8;
    /// Timer: fires when the TSC reaches the deadline.
    pub const TSC_DEADLINE: u32 = 2 << 17;
    /// Timer divide configuration for 16.
    pub const DIVIDE_BY_16: u32 = 0b0011;
    /// Command: fixed delivery, INIT and start-up; asserted.
    pub const FIXED: u32 = 1 << 14;
    pub const INIT: u32 = 5 << 8 | 1 << 14;
    pub const START_UP: u32 = 6 << 8 | 1 << 14;
    /// Command: still on its way.
    pub const PENDING: u32 = 1 << 12;
}

static IS_X2APIC: AtomicBool = AtomicBool::new(false);
/// Address of the xAPIC's registers.
static REGISTERS: AtomicUsize = AtomicUsize::new(0);
/// Local APIC id of each CPU.
static IDS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];

/// Sets up the local APIC of this CPU. `registers` is mapped, uncached.
pub fn init(cpu: usize, registers: u64, features: Features) {
    // SAFETY: every x86-64 has the APIC; all its sources are masked, set up by
    // us, or non-maskable.
    unsafe {
        let mut base = cpu::read_msr(msr::APIC_BASE) | bit::ENABLE;
        if features.x2apic {
            base |= bit::X2APIC;
        }
        cpu::write_msr(msr::APIC_BASE, base);
        // Firmware may have left it in x2APIC mode.
        IS_X2APIC.store(base & bit::X2APIC != 0, Ordering::Relaxed);
    }
    REGISTERS.store(registers as usize, Ordering::Relaxed);
    for source in [register::TIMER, register::LINT0, register::ERROR] {
        write(source, bit::MASKED | u32::from(traps::SPURIOUS));
    }
    write(register::LINT1, bit::NON_MASKABLE);
    write(register::TASK_PRIORITY, 0);
    write(register::ERROR_STATUS, 0);
    write(
        register::SPURIOUS,
        bit::SOFTWARE_ENABLE | u32::from(traps::SPURIOUS),
    );
    IDS[cpu].store(read_id(), Ordering::Relaxed);
}

/// Masks both 8259 interrupt controllers, with their vectors moved away from
/// the exceptions' in case they misfire.
pub fn disable_old_controllers() {
    const COMMANDS: [(u16, u8); 10] = [
        (0x20, 0x11),
        (0xa0, 0x11), // Initialise, four words.
        (0x21, 0x20),
        (0xa1, 0x28), // First vector.
        (0x21, 0x04),
        (0xa1, 0x02), // How the two are connected.
        (0x21, 0x01),
        (0xa1, 0x01), // 8086 mode.
        (0x21, 0xff),
        (0xa1, 0xff), // All masked.
    ];
    for (port, value) in COMMANDS {
        // SAFETY: these ports belong to the interrupt controllers.
        unsafe { port::write_u8(port, value) };
    }
}

/// Local APIC id of a CPU that is set up.
pub fn id(cpu: usize) -> u32 {
    IDS[cpu].load(Ordering::Relaxed)
}

/// Whether APICs are in x2APIC mode, in which ids have 32 bits.
pub fn is_x2apic() -> bool {
    IS_X2APIC.load(Ordering::Relaxed)
}

/// Acknowledges the interrupt in service.
pub fn end_of_interrupt() {
    write(register::END_OF_INTERRUPT, 0);
}

/// Whether the APIC has delivered this vector and not seen its end: whatever the
/// vector means otherwise, this time a message was it.
pub fn is_in_service(vector: u8) -> bool {
    // Eight registers of 32 vectors each (section 11.8.4).
    let word = read(register::IN_SERVICE + u32::from(vector) / 32 * 0x10);
    word & 1 << (vector % 32) != 0
}

/// Raises `vector` on another CPU.
pub fn send(cpu: usize, vector: u8) {
    command(id(cpu), bit::FIXED | u32::from(vector));
}

/// Resets the CPU with local APIC id `id`, which then waits to be started.
pub fn send_init(id: u32) {
    command(id, bit::INIT);
}

/// Starts the CPU with local APIC id `id` at page `page` of low memory.
pub fn send_start_up(id: u32, page: u8) {
    command(id, bit::START_UP | u32::from(page));
}

fn command(id: u32, command: u32) {
    if IS_X2APIC.load(Ordering::Relaxed) {
        // Stores before this are to be seen by whom it wakes, and this write does
        // not wait for them (section 11.12.3).
        // SAFETY: x2APIC mode is on; a vector has a handler, and a CPU that is
        // reset or started was not running. Fences have no other effect.
        unsafe {
            core::arch::x86_64::_mm_mfence();
            core::arch::x86_64::_mm_lfence();
            let register = msr::X2APIC + (register::COMMAND >> 4);
            cpu::write_msr(register, u64::from(id) << 32 | u64::from(command));
        }
    } else {
        // The two halves of the register must not be torn apart.
        cpu::without_interrupts(|| {
            while read(register::COMMAND) & bit::PENDING != 0 {
                core::hint::spin_loop();
            }
            write(register::COMMAND_DESTINATION, id << 24);
            write(register::COMMAND, command);
        });
    }
}

/// Puts this CPU's timer into TSC-deadline mode.
pub fn use_deadline_timer() {
    write(register::TIMER, bit::TSC_DEADLINE | u32::from(traps::TIMER));
    // The mode must be set before the first deadline is (section 11.5.4.1).
    // SAFETY: a fence has no other effect.
    unsafe { core::arch::x86_64::_mm_mfence() };
}

/// Puts this CPU's timer into one-shot mode.
pub fn use_one_shot_timer() {
    write(register::TIMER_DIVIDE, bit::DIVIDE_BY_16);
    write(register::TIMER, u32::from(traps::TIMER));
}

/// Starts the one-shot timer; 0 stops it.
pub fn start_one_shot(count: u32) {
    write(register::TIMER_INITIAL, count);
}

/// What is left of the one-shot timer.
pub fn one_shot_left() -> u32 {
    read(register::TIMER_CURRENT)
}

fn read_id() -> u32 {
    let id = read(register::ID);
    if IS_X2APIC.load(Ordering::Relaxed) {
        id
    } else {
        id >> 24
    }
}

fn read(register: u32) -> u32 {
    // SAFETY: `init` has put the APIC into the mode that is looked at here and
    // knows where its registers are mapped.
    unsafe {
        if IS_X2APIC.load(Ordering::Relaxed) {
            cpu::read_msr(msr::X2APIC + (register >> 4)) as u32
        } else {
            address(register).read_volatile()
        }
    }
}

fn write(register: u32, value: u32) {
    // SAFETY: as in `read`; callers write what the manual allows.
    unsafe {
        if IS_X2APIC.load(Ordering::Relaxed) {
            cpu::write_msr(msr::X2APIC + (register >> 4), value.into());
        } else {
            address(register).write_volatile(value);
        }
    }
}

fn address(register: u32) -> *mut u32 {
    (REGISTERS.load(Ordering::Relaxed) + register as usize) as *mut u32
}
