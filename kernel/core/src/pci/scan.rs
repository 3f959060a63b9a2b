//! Finding PCI functions: buses, base address registers, capabilities.

use alloc::vec::Vec;

use abi::device::{PciAddress, PciBar, PciInfo};

use super::ConfigSpace;
use super::function::{Capabilities, Function, MsixTable};
use super::registers as reg;

/// Most capabilities a list can hold: one every four bytes after the header.
const MAX_CAPABILITIES: usize = 48;

/// Every device function on the buses 0 to `last_bus`; bridges are left out.
///
/// All buses are searched, so a bridge needs no special treatment as long as
/// the firmware has numbered what lies behind it.
pub fn functions<S: ConfigSpace>(space: &S, last_bus: u8) -> Vec<Function> {
    let mut found = Vec::new();
    for bus in 0..=last_bus {
        for device in 0..32 {
            scan_device(space, bus, device, &mut found);
        }
    }
    found
}

fn scan_device<S: ConfigSpace>(space: &S, bus: u8, device: u8, found: &mut Vec<Function>) {
    if !is_present(space, address_of(bus, device, 0)) {
        return;
    }
    let header = space.read(address_of(bus, device, 0), reg::HEADER);
    let count = if reg::is_multifunction(header) { 8 } else { 1 };
    for number in 0..count {
        let address = address_of(bus, device, number);
        if is_present(space, address) && layout(space, address) == 0 {
            found.push(examine(space, address));
        }
    }
}

const fn address_of(bus: u8, device: u8, function: u8) -> PciAddress {
    PciAddress((bus as u32) << 8 | (device as u32) << 3 | function as u32)
}

fn is_present<S: ConfigSpace>(space: &S, address: PciAddress) -> bool {
    let vendor = space.read(address, reg::ID) & 0xFFFF;
    vendor != 0xFFFF && vendor != 0
}

fn layout<S: ConfigSpace>(space: &S, address: PciAddress) -> u8 {
    reg::header_layout(space.read(address, reg::HEADER))
}

fn examine<S: ConfigSpace>(space: &S, address: PciAddress) -> Function {
    let (bars, raw_bars) = read_bars(space, address);
    let capabilities = read_capabilities(space, address);
    let interrupt = space.read(address, reg::INTERRUPT);
    Function {
        info: PciInfo {
            address: address.0,
            vendor_device: space.read(address, reg::ID),
            class: space.read(address, reg::CLASS_REVISION) >> 8,
            msix_vectors: capabilities.msix.map_or(0, |table| table.vectors),
            bars,
        },
        raw_bars,
        capabilities,
        line: interrupt as u8,
        has_pin: interrupt >> 8 & 0xFF != 0,
        owner: 0,
        reset: super::function::Reset::None,
    }
}

/// Sizes the base address registers by writing ones and reading back what
/// sticks (7.5.1.2.1), with decoding off so that nothing answers meanwhile.
fn read_bars<S: ConfigSpace>(space: &S, address: PciAddress) -> ([PciBar; 6], [u32; 6]) {
    let command = space.read(address, reg::COMMAND_STATUS) & !reg::STATUS_MASK;
    let decoding = reg::COMMAND_MEMORY | reg::COMMAND_PORTS;
    space.write(address, reg::COMMAND_STATUS, command & !decoding);
    let mut bars = [PciBar::default(); 6];
    let mut raw = [0; 6];
    let mut index = 0;
    while index < 6 {
        let (low, low_size) = probe(space, address, index);
        raw[index] = low;
        if low & 1 != 0 {
            bars[index] = port_bar(low, low_size);
            index += 1;
        } else if low >> 1 & 3 == 2 && index < 5 {
            let (high, high_size) = probe(space, address, index + 1);
            raw[index + 1] = high;
            bars[index] = memory_bar(join(low, high), join(low_size, high_size));
            index += 2;
        } else {
            let size = if low_size == 0 {
                0
            } else {
                join(low_size, u32::MAX)
            };
            bars[index] = memory_bar(u64::from(low), size);
            index += 1;
        }
    }
    space.write(address, reg::COMMAND_STATUS, command);
    (bars, raw)
}

/// The register as it was, and what it holds after writing ones.
fn probe<S: ConfigSpace>(space: &S, address: PciAddress, index: usize) -> (u32, u32) {
    let register = reg::BAR + 4 * index as u16;
    let value = space.read(address, register);
    space.write(address, register, u32::MAX);
    let size = space.read(address, register);
    space.write(address, register, value);
    (value, size)
}

const fn join(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

fn memory_bar(value: u64, stuck: u64) -> PciBar {
    let mask = stuck & !0xF;
    if mask == 0 {
        return PciBar::default();
    }
    PciBar {
        address: value & !0xF,
        size: mask.wrapping_neg(),
        is_port: 0,
        reserved: 0,
    }
}

fn port_bar(value: u32, stuck: u32) -> PciBar {
    // The upper half may be hard-wired to zero (7.5.1.2.1).
    let mask = (stuck | 0xFFFF_0000) & !0x3;
    PciBar {
        address: u64::from(value & !0x3),
        size: u64::from(mask.wrapping_neg()),
        is_port: 1,
        reserved: 0,
    }
}

fn read_capabilities<S: ConfigSpace>(space: &S, address: PciAddress) -> Capabilities {
    let mut found = Capabilities::default();
    if space.read(address, reg::COMMAND_STATUS) & reg::STATUS_CAPABILITIES == 0 {
        return found;
    }
    let mut at = space.read(address, reg::CAPABILITIES) as u16 & 0xFC;
    // A broken device may link its list into a ring: follow it only so far.
    for _ in 0..MAX_CAPABILITIES {
        if at < 0x40 {
            break;
        }
        let head = space.read(address, at);
        match head as u8 {
            reg::CAPABILITY_POWER => found.power = Some(at),
            reg::CAPABILITY_MSI => found.msi = Some(at),
            reg::CAPABILITY_EXPRESS => found.express = Some(at),
            reg::CAPABILITY_MSIX => {
                let table = space.read(address, at + reg::MSIX_TABLE);
                let pending = space.read(address, at + reg::MSIX_PENDING);
                found.msix = Some(MsixTable {
                    capability: at,
                    bar: table & 7,
                    offset: table & !7,
                    pending_bar: pending & 7,
                    pending_offset: pending & !7,
                    vectors: reg::msix_vectors(head),
                });
            }
            _ => {}
        }
        at = (head >> 8) as u16 & 0xFC;
    }
    found
}
