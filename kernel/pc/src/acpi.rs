//! The fixed ACPI tables (ACPI 6.5, chapter 5): CPUs, interrupt controllers,
//! PCI configuration space, power.
//!
//! A reader of our own: the `acpi` crate asks for a handler of two dozen
//! methods that serve its AML interpreter, which is more code than this. AML is
//! not interpreted here; the few constants needed are found by name ([`aml`]).

mod aml;

use kernel_core::machine::PhysicalRange;

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::cpu::MAX_CPUS;

/// Most I/O APICs, interrupt overrides and PCI segments that are kept.
const MAX_ENTRIES: usize = 16;
/// Bytes of a table header; section 5.2.6.
const HEADER_SIZE: usize = 36;
/// Largest table that is believed.
const MAX_TABLE_SIZE: usize = 16 << 20;
/// Registers of an IOMMU begin on a page.
const PAGE_SIZE: u64 = 4096;
/// Where a BIOS keeps the root pointer; section 5.2.5.1.
const BIOS_AREA: core::ops::Range<u64> = 0xe_0000..0x10_0000;

/// Buses of a configuration space whose description leaves them open: those
/// behind a few bridges.
const UNLISTED_LAST_BUS: u8 = 31;

/// A list with room for a few.
#[derive(Clone, Copy, Debug)]
pub struct List<T, const N: usize = MAX_ENTRIES> {
    items: [T; N],
    count: usize,
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self {
            items: [T::default(); N],
            count: 0,
        }
    }
}

impl<T, const N: usize> List<T, N> {
    /// What is in the list.
    pub fn as_slice(&self) -> &[T] {
        &self.items[..self.count]
    }

    /// Appends, if there is room.
    pub fn push(&mut self, item: T) {
        if self.count < N {
            self.items[self.count] = item;
            self.count += 1;
        }
    }

    /// Removes what is not to be kept; how much that is.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) -> usize {
        let before = core::mem::take(&mut self.count);
        for index in 0..before {
            if keep(&self.items[index]) {
                self.items.swap(self.count, index);
                self.count += 1;
            }
        }
        before - self.count
    }
}

/// An I/O APIC; MADT entry type 1.
#[derive(Clone, Copy, Default, Debug)]
pub struct IoApic {
    /// Its id, by which the DMAR names it.
    pub id: u8,
    /// Physical address of its registers.
    pub address: u64,
    /// Global system interrupt of its first input.
    pub first_interrupt: u32,
}

/// An ISA interrupt that is wired differently; MADT entry type 2.
#[derive(Clone, Copy, Default, Debug)]
pub struct InterruptOverride {
    /// ISA interrupt number.
    pub line: u8,
    /// Global system interrupt.
    pub interrupt: u32,
    /// Polarity in bits 0 and 1, trigger mode in bits 2 and 3.
    pub flags: u16,
}

/// Memory-mapped PCI configuration space; an MCFG entry.
#[derive(Clone, Copy, Default, Debug)]
pub struct ConfigurationSpace {
    /// Physical address of bus 0, whether or not it is in the range.
    pub address: u64,
    /// PCI segment.
    pub segment: u16,
    /// First and last bus.
    pub first_bus: u8,
    /// Last bus.
    pub last_bus: u8,
}

/// An IOMMU: a DMAR remapping unit (VT-d specification 4.1, section 8.3).
#[derive(Clone, Copy, Default, Debug)]
pub struct RemappingUnit {
    /// Physical address of its registers.
    pub address: u64,
    /// PCI segment of the functions behind it.
    pub segment: u16,
}

/// What an I/O APIC's interrupts come from, as an IOMMU sees it; section 8.3.1.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Requester {
    /// The I/O APIC's id.
    pub io_apic: u8,
    /// Requester id: bus, device and function.
    pub source: u16,
}

/// A register in memory or I/O space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// A physical address.
    Memory(u64),
    /// An I/O port.
    Port(u16),
}

/// What the FADT says about power and clocks.
#[derive(Clone, Copy, Default, Debug)]
pub struct Power {
    /// PM1a and PM1b control ports; 0: none. Section 4.8.3.2.
    pub control_ports: [u16; 2],
    /// The sleep control register of hardware-reduced ACPI. Section 4.8.3.7.
    pub sleep_control: Option<Register>,
    /// The sleep types of state S5, from `\_S5`.
    pub soft_off: Option<[u8; 2]>,
    /// Port and value that take the machine into ACPI mode; port 0: none.
    pub enable: (u16, u8),
    /// Register and value that reset the machine.
    pub reset: Option<(Register, u8)>,
    /// Port of the PM timer and whether it counts 32 bits instead of 24.
    pub timer: Option<(u16, bool)>,
    /// CMOS index of the century, 0: none.
    pub century: u8,
}

/// What the tables say.
#[derive(Clone, Copy, Default, Debug)]
pub struct Platform {
    /// Local APIC ids of the usable CPUs.
    pub cpus: List<u32, MAX_CPUS>,
    /// Physical address of the local APIC registers.
    pub local_apic: u64,
    /// I/O APICs.
    pub io_apics: List<IoApic>,
    /// Interrupts wired differently than by number.
    pub overrides: List<InterruptOverride>,
    /// PCI configuration spaces.
    pub configuration_spaces: List<ConfigurationSpace>,
    /// Where PCI functions may be placed that the firmware left unplaced.
    pub pci_window: Option<PhysicalRange>,
    /// IOMMUs.
    pub remapping_units: List<RemappingUnit>,
    /// Firmware and chipset support that they remap interrupts.
    pub remaps_interrupts: bool,
    /// I/O APICs behind them.
    pub requesters: List<Requester>,
    /// Power and clocks.
    pub power: Power,
    /// A configuration space that the DSDT describes.
    unlisted_space: Option<u64>,
}

/// Physical memory, as far as it can be read: address and length.
pub type Memory<'a> = dyn Fn(u64, usize) -> Option<&'static [u8]> + 'a;

impl Platform {
    /// Reads the tables from the root pointer on, which is searched for if
    /// `rsdp` is none. `None` without usable tables.
    pub fn read(rsdp: Option<u64>, memory: &Memory<'_>) -> Option<Self> {
        let root = RootTable::find(rsdp, memory)?;
        let mut platform = Self::default();
        for address in root.tables() {
            let Some(table) = read_table(address, memory) else {
                continue;
            };
            // A damaged entry ends its own table only.
            let _ = match &table[..4] {
                b"APIC" => platform.read_madt(table),
                b"MCFG" => platform.read_mcfg(table),
                b"DMAR" => platform.read_dmar(table),
                b"FACP" => platform.read_fadt(table, memory),
                _ => None,
            };
        }
        platform.complete_pci();
        Some(platform)
    }

    /// The requester id of the I/O APIC with this id, if the firmware tells it.
    pub fn requester_of(&self, io_apic: u8) -> Option<u16> {
        let mut requesters = self.requesters.as_slice().iter();
        let found = requesters.find(|one| one.io_apic == io_apic);
        found.map(|one| one.source)
    }

    /// Without an MCFG the firmware did not set PCI up, but may describe it:
    /// then addresses are for us to assign. With one, they are assigned.
    fn complete_pci(&mut self) {
        if !self.configuration_spaces.as_slice().is_empty() {
            self.pci_window = None;
        } else if let Some(address) = self.unlisted_space {
            self.configuration_spaces.push(ConfigurationSpace {
                address,
                segment: 0,
                first_bus: 0,
                last_bus: UNLISTED_LAST_BUS,
            });
        }
    }

    /// Section 5.2.12.
    fn read_madt(&mut self, table: &[u8]) -> Option<()> {
        const USABLE: u32 = 1;
        self.local_apic = u32_at(table, HEADER_SIZE)?.into();
        let mut at = HEADER_SIZE + 8;
        while let (Some(kind), Some(length)) = (u8_at(table, at), u8_at(table, at + 1)) {
            let entry = table.get(at..at + usize::from(length))?;
            match kind {
                0 if u32_at(entry, 4)? & USABLE != 0 => self.cpus.push(u8_at(entry, 3)?.into()),
                1 => self.io_apics.push(IoApic {
                    id: u8_at(entry, 2)?,
                    address: u32_at(entry, 4)?.into(),
                    first_interrupt: u32_at(entry, 8)?,
                }),
                2 => self.overrides.push(InterruptOverride {
                    line: u8_at(entry, 3)?,
                    interrupt: u32_at(entry, 4)?,
                    flags: u16_at(entry, 8)?,
                }),
                5 => self.local_apic = u64_at(entry, 4)?,
                9 if u32_at(entry, 8)? & USABLE != 0 => self.cpus.push(u32_at(entry, 4)?),
                _ => (),
            }
            at += usize::from(length.max(2));
        }
        Some(())
    }

    /// PCI firmware specification 3.3, section 4.1.2.
    fn read_mcfg(&mut self, table: &[u8]) -> Option<()> {
        for entry in table.get(HEADER_SIZE + 8..)?.chunks_exact(16) {
            self.configuration_spaces.push(ConfigurationSpace {
                address: u64_at(entry, 0)?,
                segment: u16_at(entry, 8)?,
                first_bus: u8_at(entry, 10)?,
                last_bus: u8_at(entry, 11)?,
            });
        }
        Some(())
    }

    /// VT-d specification 4.1, section 8.1. Which functions are behind which unit
    /// does not matter: all units are given the same tables.
    fn read_dmar(&mut self, table: &[u8]) -> Option<()> {
        const UNIT: u16 = 0;
        const REMAPS_INTERRUPTS: u8 = 1;
        self.remaps_interrupts = u8_at(table, HEADER_SIZE + 1)? & REMAPS_INTERRUPTS != 0;
        let mut at = HEADER_SIZE + 12;
        while let (Some(kind), Some(length)) = (u16_at(table, at), u16_at(table, at + 2)) {
            let entry = table.get(at..at + usize::from(length))?;
            if kind == UNIT {
                let address = u64_at(entry, 8)?;
                let is_usable = address != 0 && address.is_multiple_of(PAGE_SIZE);
                self.remapping_units
                    .push(is_usable.then_some(RemappingUnit {
                        address,
                        segment: u16_at(entry, 6)?,
                    })?);
                self.read_scopes(entry.get(16..)?)?;
            }
            at += usize::from(length.max(4));
        }
        Some(())
    }

    /// The I/O APICs behind a unit; section 8.3.1. One behind a bridge, whose bus would
    /// have to be asked for, is left out: interrupts are then not remapped.
    fn read_scopes(&mut self, mut scopes: &[u8]) -> Option<()> {
        const IO_APIC: u8 = 3;
        const ONE_STEP: usize = 8;
        while !scopes.is_empty() {
            let length = usize::from(u8_at(scopes, 1)?);
            let (scope, rest) = scopes.split_at_checked(length)?;
            if u8_at(scope, 0)? == IO_APIC && length == ONE_STEP {
                let (bus, device, function) =
                    (u8_at(scope, 5)?, u8_at(scope, 6)?, u8_at(scope, 7)?);
                let is_valid = device < 32 && function < 8;
                self.requesters.push(is_valid.then_some(Requester {
                    io_apic: u8_at(scope, 4)?,
                    source: u16::from(bus) << 8 | u16::from(device << 3 | function),
                })?);
            }
            scopes = (length != 0).then_some(rest)?;
        }
        Some(())
    }

    /// Section 5.2.9. Fields that an old, short table lacks are absent.
    fn read_fadt(&mut self, table: &[u8], memory: &Memory<'_>) -> Option<()> {
        const TIMER_32_BIT: u32 = 1 << 8;
        const HAS_RESET: u32 = 1 << 10;
        let flags = u32_at(table, 112)?;
        let port = |offset| u32_at(table, offset).map_or(0, |port| port as u16);
        let power = &mut self.power;
        power.enable = (port(48), u8_at(table, 52)?);
        power.control_ports = [port(64), port(68)];
        power.timer = (port(76) != 0).then(|| (port(76), flags & TIMER_32_BIT != 0));
        power.century = u8_at(table, 108)?;
        if flags & HAS_RESET != 0 {
            power.reset = register_at(table, 116).zip(u8_at(table, 128));
        }
        power.sleep_control = register_at(table, 244);
        let dsdt = match u64_at(table, 140) {
            Some(address) if address != 0 => address,
            _ => u32_at(table, 40)?.into(),
        };
        let dsdt = read_table(dsdt, memory)?;
        self.power.soft_off = aml::find_soft_off(dsdt);
        self.unlisted_space = aml::find_configuration_base(dsdt);
        self.pci_window = aml::find_memory_window(dsdt);
        Some(())
    }
}

/// The table of tables: RSDT or XSDT.
struct RootTable {
    table: &'static [u8],
    /// Bytes of an entry.
    entry_size: usize,
}

impl RootTable {
    /// Section 5.2.5.
    fn find(rsdp: Option<u64>, memory: &Memory<'_>) -> Option<Self> {
        let pointer = match rsdp {
            Some(address) => memory(address, 36)?,
            None => BIOS_AREA.step_by(16).find_map(|address| {
                memory(address, 36)
                    .filter(|bytes| bytes.starts_with(b"RSD PTR ") && has_zero_sum(&bytes[..20]))
            })?,
        };
        if !pointer.starts_with(b"RSD PTR ") || !has_zero_sum(&pointer[..20]) {
            return None;
        }
        let extended = if u8_at(pointer, 15)? >= 2 {
            u64_at(pointer, 24)?
        } else {
            0
        };
        if extended != 0 {
            Some(Self {
                table: read_table(extended, memory)?,
                entry_size: 8,
            })
        } else {
            Some(Self {
                table: read_table(u32_at(pointer, 16)?.into(), memory)?,
                entry_size: 4,
            })
        }
    }

    fn tables(&self) -> impl Iterator<Item = u64> {
        self.table[HEADER_SIZE..]
            .chunks_exact(self.entry_size)
            .map(|entry| {
                entry
                    .iter()
                    .rev()
                    .fold(0, |address, &byte| address << 8 | u64::from(byte))
            })
    }
}

/// A table with a valid header and checksum.
fn read_table(address: u64, memory: &Memory<'_>) -> Option<&'static [u8]> {
    let length = u32_at(memory(address, HEADER_SIZE)?, 4)? as usize;
    if !(HEADER_SIZE..=MAX_TABLE_SIZE).contains(&length) {
        return None;
    }
    memory(address, length).filter(|table| has_zero_sum(table))
}

fn has_zero_sum(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte)) == 0
}

/// A generic address structure; section 5.2.3.2.
fn register_at(table: &[u8], offset: usize) -> Option<Register> {
    let address = u64_at(table, offset + 4)?;
    match u8_at(table, offset)? {
        _ if address == 0 => None,
        0 => Some(Register::Memory(address)),
        1 => u16::try_from(address).ok().map(Register::Port),
        _ => None,
    }
}

#[cfg(test)]
#[path = "acpi_tests.rs"]
mod tests;
