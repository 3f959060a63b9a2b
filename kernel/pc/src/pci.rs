//! PCI configuration space (PCI Express base specification 5.0, section 7.2).

use abi::device::PciAddress;
use kernel_core::sync::SpinLock;

use crate::acpi::{ConfigurationSpace, Platform};
use crate::port;

/// Address and data port of the configuration mechanism without memory.
const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
/// Bytes of a function's space that the ports reach, and that memory does.
const PORT_SPACE: u16 = 0x100;
const MEMORY_SPACE: u16 = 0x1000;
/// What reading nothing gives.
const NOTHING: u32 = u32::MAX;

/// The two ports are used one after the other.
static PORTS: SpinLock<()> = SpinLock::new(());

/// How a register is reached.
enum Access {
    Memory(*mut u32),
    Ports(u32),
}

/// Reads a register; all ones where there is none.
pub fn read(platform: &Platform, address: PciAddress, register: u16) -> u32 {
    match find(platform, address, register) {
        // SAFETY: the MCFG names the space; it is mapped, uncached.
        Some(Access::Memory(pointer)) => unsafe { pointer.read_volatile() },
        Some(Access::Ports(selector)) => {
            let _guard = PORTS.lock();
            // SAFETY: the ports belong to the PCI host bridge.
            unsafe {
                port::write_u32(ADDRESS_PORT, selector);
                port::read_u32(DATA_PORT)
            }
        }
        None => NOTHING,
    }
}

/// Writes a register.
pub fn write(platform: &Platform, address: PciAddress, register: u16, value: u32) {
    match find(platform, address, register) {
        // SAFETY: as in `read`; the kernel core decides what may be written.
        Some(Access::Memory(pointer)) => unsafe { pointer.write_volatile(value) },
        Some(Access::Ports(selector)) => {
            let _guard = PORTS.lock();
            // SAFETY: as in `read`.
            unsafe {
                port::write_u32(ADDRESS_PORT, selector);
                port::write_u32(DATA_PORT, value);
            }
        }
        None => (),
    }
}

/// The last bus there may be; `None` without PCI.
pub fn last_bus(platform: &Platform) -> Option<u8> {
    let spaces = platform.configuration_spaces.as_slice();
    match spaces
        .iter()
        .filter(|space| space.segment == 0)
        .map(|space| space.last_bus)
        .max()
    {
        Some(last) => Some(last),
        None => (read(platform, PciAddress(0), 0) != NOTHING).then_some(u8::MAX),
    }
}

/// Bytes of memory that a configuration space takes, from bus 0 on.
pub fn memory_size(space: &ConfigurationSpace) -> u64 {
    (u64::from(space.last_bus) + 1) << 20
}

fn find(platform: &Platform, address: PciAddress, register: u16) -> Option<Access> {
    let function = address.0 & 0xffff;
    let (segment, bus) = (address.0 >> 16, (function >> 8) as u8);
    let register = register & !3;
    let spaces = platform.configuration_spaces.as_slice();
    if let Some(space) = spaces.iter().find(|space| {
        u32::from(space.segment) == segment && (space.first_bus..=space.last_bus).contains(&bus)
    }) {
        let place = space.address + u64::from(function << 12) + u64::from(register);
        return (register < MEMORY_SPACE).then_some(Access::Memory(place as *mut u32));
    }
    let has_ports = spaces.is_empty() && segment == 0 && register < PORT_SPACE;
    has_ports.then(|| Access::Ports(1 << 31 | function << 8 | u32::from(register)))
}
