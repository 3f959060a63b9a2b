//! The end: emulator exit, soft off, reset.

use crate::acpi::{Platform, Register};
use crate::{cpu, port, serial};

/// Port of QEMU's `isa-debug-exit`; writing N ends QEMU with status 2 N + 1.
const DEBUG_EXIT: u16 = 0x501;
/// Sleep enable, and where the sleep type goes, in PM1 control (ACPI 6.5, table
/// 4-13) and in the sleep control register (table 4-20).
const PM1_ENABLE: u16 = 1 << 13;
const PM1_TYPE_SHIFT: u16 = 10;
const PM1_ACPI_MODE: u16 = 1;
const SLEEP_ENABLE: u8 = 1 << 5;
const SLEEP_TYPE_SHIFT: u8 = 2;
/// Pulses the reset line through the keyboard controller (port 0x64).
const KEYBOARD_RESET: u8 = 0xfe;
/// Time that the machine gets to switch off, about a second.
const SETTLE_CYCLES: u64 = 2_000_000_000;
/// Looks at a register.
const MAX_POLLS: usize = 100_000;

/// Switches the machine off; what cannot be switched off is reset, and what
/// cannot be reset stops.
pub fn off(platform: &Platform, status: i32, has_debug_exit: bool) -> ! {
    cpu::disable_interrupts();
    serial::CONSOLE.flush();
    serial::log_port().flush();
    // SAFETY: nothing goes on after any of these, so no code is left that could
    // rely on memory; each writes to registers that ACPI or the platform names.
    unsafe {
        if has_debug_exit {
            port::write_u16(DEBUG_EXIT, status as u16);
        }
        soft_off(platform);
        let start = cpu::time_stamp();
        while cpu::time_stamp().wrapping_sub(start) < SETTLE_CYCLES {
            core::hint::spin_loop();
        }
        reset(platform);
    }
    cpu::halt_for_ever()
}

/// ACPI 6.5, section 7.4.2.
///
/// # Safety
/// Nothing may have to go on afterwards.
unsafe fn soft_off(platform: &Platform) {
    let power = &platform.power;
    let types = power.soft_off.unwrap_or([0; 2]);
    // SAFETY: see `off`.
    unsafe {
        if let Some(register) = power.sleep_control {
            write(register, types[0] << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
        }
        let [first, second] = power.control_ports;
        if first != 0 {
            enter_acpi_mode(first, power.enable);
            let control = port::read_u16(first) & 0x03ff;
            port::write_u16(
                first,
                control | u16::from(types[0]) << PM1_TYPE_SHIFT | PM1_ENABLE,
            );
        }
        if second != 0 {
            let control = port::read_u16(second) & 0x03ff;
            port::write_u16(
                second,
                control | u16::from(types[1]) << PM1_TYPE_SHIFT | PM1_ENABLE,
            );
        }
    }
}

/// Takes the PM1 registers over from the firmware (ACPI 6.5, section 4.8.3.2.1).
///
/// # Safety
/// See [`soft_off`].
unsafe fn enter_acpi_mode(control: u16, (command, value): (u16, u8)) {
    // SAFETY: see `off`.
    unsafe {
        if port::read_u16(control) & PM1_ACPI_MODE != 0 || command == 0 || value == 0 {
            return;
        }
        port::write_u8(command, value);
        for _ in 0..MAX_POLLS {
            if port::read_u16(control) & PM1_ACPI_MODE != 0 {
                return;
            }
        }
    }
}

/// # Safety
/// See [`soft_off`].
unsafe fn reset(platform: &Platform) {
    // SAFETY: see `off`.
    unsafe {
        if let Some((register, value)) = platform.power.reset {
            write(register, value);
        }
        port::write_u8(0x64, KEYBOARD_RESET);
    }
}

/// # Safety
/// The register must be mapped and the value one that it takes.
unsafe fn write(register: Register, value: u8) {
    // SAFETY: the caller's promise.
    unsafe {
        match register {
            Register::Port(port) => port::write_u8(port, value),
            Register::Memory(address) => (address as *mut u8).write_volatile(value),
        }
    }
}
