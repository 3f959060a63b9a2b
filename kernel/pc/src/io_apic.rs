//! I/O APICs (Intel 82093AA data sheet): legacy interrupt lines.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::acpi::{IoApic, Platform};
use crate::iommu::interrupts::{self, Entry};
use crate::{apic, cpu, iommu, traps};

/// Registers (data sheet, section 3).
mod register {
    /// Offsets of the two that are memory-mapped.
    pub const SELECT: usize = 0;
    pub const WINDOW: usize = 0x10;
    /// Indices of the others.
    pub const VERSION: u32 = 1;
    pub const REDIRECTION: u32 = 0x10;
}

/// Redirection entry (data sheet, section 3.2.4).
mod bit {
    pub const MASKED: u32 = 1 << 16;
    pub const LEVEL: u32 = 1 << 15;
    pub const ACTIVE_LOW: u32 = 1 << 13;
}

/// How lines are driven, as flags of an override: ISA's are edge-triggered and
/// active high, PCI's level-triggered and active low.
const ISA_FLAGS: u16 = 0;
const PCI_FLAGS: u16 = 0x0f;
/// "No line is routed to this vector."
const NO_LINE: u8 = 0xff;

static LOCK: AtomicBool = AtomicBool::new(false);
/// The level-triggered line behind each device vector.
static LEVEL_LINES: [AtomicU8; traps::DEVICE_VECTORS] =
    [const { AtomicU8::new(NO_LINE) }; traps::DEVICE_VECTORS];

/// Where a line ends: a pin of an I/O APIC, and how it is driven.
struct Pin {
    io_apic: IoApic,
    number: u32,
    mode: u32,
}

/// Masks every line.
pub fn init(platform: &Platform) {
    for &io_apic in platform.io_apics.as_slice() {
        for number in 0..pin_count(io_apic) {
            Pin {
                io_apic,
                number,
                mode: 0,
            }
            .write_low(bit::MASKED);
        }
    }
}

/// Routes ISA line `line` of the console to CPU 0, unmasked.
pub fn route_console(platform: &Platform, line: u8) -> bool {
    find(platform, line, ISA_FLAGS).is_some_and(|pin| {
        let is_routed = pin.route(platform, traps::CONSOLE);
        if is_routed {
            pin.set_masked(false);
        }
        is_routed
    })
}

/// Routes a line of PCI to a device vector of CPU 0, masked. A level-triggered line is
/// masked again each time it fires, as its device keeps it raised until the
/// driver has seen to it; the driver unmasks it.
pub fn route(platform: &Platform, line: u8, number: usize) -> bool {
    find(platform, line, PCI_FLAGS).is_some_and(|pin| {
        let is_level = pin.mode & bit::LEVEL != 0;
        // Another vector may have had the line before.
        for old in &LEVEL_LINES {
            let _ = old.compare_exchange(line, NO_LINE, Ordering::Relaxed, Ordering::Relaxed);
        }
        LEVEL_LINES[number].store(if is_level { line } else { NO_LINE }, Ordering::Relaxed);
        pin.route(platform, traps::device_vector(number))
    })
}

/// Masks or unmasks a line.
pub fn mask(platform: &Platform, line: u8, masked: bool) {
    if let Some(pin) = find(platform, line, PCI_FLAGS) {
        pin.set_masked(masked);
    }
}

/// A device vector fired: masks its line if that is level-triggered.
pub fn on_interrupt(number: usize) {
    let line = LEVEL_LINES[number].load(Ordering::Relaxed);
    if line != NO_LINE {
        mask(crate::machine::platform(), line, true);
    }
}

/// Overrides say where lines end and how they are driven (ACPI 6.5, table 5-26);
/// for those without one `flags` do.
fn find(platform: &Platform, line: u8, flags: u16) -> Option<Pin> {
    let described = platform
        .overrides
        .as_slice()
        .iter()
        .find(|entry| entry.line == line);
    let (interrupt, flags) = match described {
        Some(entry) => (entry.interrupt, entry.flags),
        None => (line.into(), flags),
    };
    let mut mode = 0;
    mode |= if flags & 3 == 3 { bit::ACTIVE_LOW } else { 0 };
    mode |= if flags >> 2 & 3 == 3 { bit::LEVEL } else { 0 };
    platform.io_apics.as_slice().iter().find_map(|&io_apic| {
        let number = interrupt.checked_sub(io_apic.first_interrupt)?;
        (number < pin_count(io_apic)).then_some(Pin {
            io_apic,
            number,
            mode,
        })
    })
}

fn pin_count(io_apic: IoApic) -> u32 {
    (locked(|| read(io_apic, register::VERSION)) >> 16 & 0xff) + 1
}

impl Pin {
    /// Aims the pin at CPU 0, masked. False: it cannot be.
    fn route(&self, platform: &Platform, vector: u8) -> bool {
        let Some(high) = self.destination(platform, vector) else {
            return false;
        };
        self.write_low(self.mode | bit::MASKED | u32::from(vector));
        locked(|| write(self.io_apic, self.low_register() + 1, high));
        true
    }

    /// The upper half of an entry that leads to CPU 0: directly, or by way of an IOMMU
    /// that remaps interrupts, which then lets this I/O APIC raise the vector.
    fn destination(&self, platform: &Platform, vector: u8) -> Option<u32> {
        let cpu = apic::id(0);
        let Some(source) = platform.requester_of(self.io_apic.id) else {
            return Some(cpu << 24);
        };
        let entry = Entry {
            vector,
            cpu,
            source,
            is_level: self.mode & bit::LEVEL != 0,
        };
        let is_remapped = iommu::UNITS.admit(entry).ok()?;
        Some(if is_remapped {
            interrupts::redirection(vector)
        } else {
            cpu << 24
        })
    }

    fn set_masked(&self, masked: bool) {
        let register = self.low_register();
        locked(|| {
            let others = read(self.io_apic, register) & !bit::MASKED;
            write(
                self.io_apic,
                register,
                others | if masked { bit::MASKED } else { 0 },
            );
        });
    }

    fn write_low(&self, value: u32) {
        locked(|| write(self.io_apic, self.low_register(), value));
    }

    fn low_register(&self) -> u32 {
        register::REDIRECTION + 2 * self.number
    }
}

/// Registers are reached in two steps, also by interrupt handlers: so the lock
/// is held with interrupts off, which keeps handlers of this CPU away from it.
fn locked<T>(work: impl FnOnce() -> T) -> T {
    cpu::without_interrupts(|| {
        while LOCK.swap(true, Ordering::Acquire) {
            core::hint::spin_loop();
        }
        let result = work();
        LOCK.store(false, Ordering::Release);
        result
    })
}

fn read(io_apic: IoApic, index: u32) -> u32 {
    let base = io_apic.address as usize;
    // SAFETY: the MADT names the address; it is mapped, uncached.
    unsafe {
        ((base + register::SELECT) as *mut u32).write_volatile(index);
        ((base + register::WINDOW) as *const u32).read_volatile()
    }
}

fn write(io_apic: IoApic, index: u32, value: u32) {
    let base = io_apic.address as usize;
    // SAFETY: as in `read`.
    unsafe {
        ((base + register::SELECT) as *mut u32).write_volatile(index);
        ((base + register::WINDOW) as *mut u32).write_volatile(value);
    }
}
