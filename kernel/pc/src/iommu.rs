//! IOMMUs (Intel VT-d): which memory a device reaches, and what it raises.
//!
//! All units go by one root table and one table of interrupts, so that it does not
//! matter which function is behind which. A function without an entry reaches no memory
//! at all, and raises nothing. What is in the tables of pages is the kernel core's
//! business ([`kernel_core::iommu`]).

pub mod interrupts;
mod registers;
mod unit;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::device::PciAddress;
use kernel_core::machine::{DeviceFault, Guarding, Iommu, IommuError};
use kernel_core::sync::SpinLock;

use self::interrupts::{Entry, Width};
use self::registers::{capability, queue, table};
use self::unit::{Unit, write_back, zeroed_page};
use crate::acpi::Platform;
use crate::{apic, machine, traps};

/// Most units that are used; a machine with more is not guarded.
const MAX_UNITS: usize = 16;
/// Bits of a physical address that tables can hold.
const MAX_ADDRESS_BITS: u32 = 52;

/// The machine's units.
pub static UNITS: Units = Units {
    state: SpinLock::new(State {
        units: [const { None }; MAX_UNITS],
        root: 0,
        levels: 0,
        interrupts: None,
    }),
    is_incoherent: AtomicBool::new(false),
};

/// All units, which have the same tables.
#[derive(Debug)]
pub struct Units {
    state: SpinLock<State>,
    /// A unit does not look into processors' caches.
    is_incoherent: AtomicBool,
}

#[derive(Debug)]
struct State {
    units: [Option<Unit>; MAX_UNITS],
    /// The root table; 0 before the start.
    root: u64,
    /// Levels of tables of pages.
    levels: u32,
    /// The table of interrupts, once they are remapped.
    interrupts: Option<(&'static interrupts::Table, Width)>,
}

impl Iommu for Units {
    fn start(&self, buses: &[u8], vector: usize) -> Result<Guarding, IommuError> {
        let mut state = self.state.lock();
        let platform = machine::platform();
        let found = platform.remapping_units.as_slice();
        if found.len() > MAX_UNITS || found.iter().any(|unit| unit.segment != 0) {
            return Err(IommuError::Unsupported);
        }
        for (place, unit) in state.units.iter_mut().zip(found) {
            *place = Some(Unit::new(unit.address)?);
        }
        let (levels, tables) = state.common()?;
        let mut units = state.units.iter().flatten();
        let is_coherent = units.all(|unit| unit.has(capability::COHERENT));
        self.is_incoherent.store(!is_coherent, Ordering::Relaxed);
        let root = zeroed_page().ok_or(IommuError::NoMemory)?;
        for &bus in buses {
            let contexts = zeroed_page().ok_or(IommuError::NoMemory)?;
            self.write(entry(root, 2 * usize::from(bus)), contexts | table::PRESENT);
        }
        (state.root, state.levels) = (root, levels);
        let message = interrupts::own_message(apic::id(0), traps::device_vector(vector));
        let mut units = state.units.iter_mut().flatten();
        units.try_for_each(|unit| unit.start(root, message))?;
        let width = width(platform);
        if let Some(width) = width {
            state.remap_interrupts(width)?;
        }
        drop(state);
        if width.is_some() {
            machine::route_console_anew();
        }
        Ok(Guarding {
            levels,
            tables,
            checks_interrupts: width.is_some(),
        })
    }

    fn attach(&self, function: PciAddress, number: u16, pages: u64) -> Result<(), IommuError> {
        let mut state = self.state.lock();
        let [lower, upper] = state.context(function).ok_or(IommuError::Unsupported)?;
        let word = table::upper(number, state.levels);
        self.write(upper, word);
        self.write(lower, pages | table::PRESENT);
        // An entry that was not there may have been remembered as such.
        state.run(&[queue::context(function.0 as u16, 0), queue::domain(number)])
    }

    fn has_pass_through(&self) -> bool {
        let state = self.state.lock();
        let mut units = state.units.iter().flatten();
        units.all(|unit| unit.has(capability::PASS_THROUGH))
    }

    fn attach_open(&self, function: PciAddress, number: u16) -> Result<(), IommuError> {
        let mut state = self.state.lock();
        let units = state.units.iter().flatten();
        let levels = units.map(|unit| capability::most_levels(unit.capability()));
        let levels = levels.min().ok_or(IommuError::Unsupported)?;
        let [lower, upper] = state.context(function).ok_or(IommuError::Unsupported)?;
        self.write(upper, table::upper(number, levels));
        self.write(lower, table::PASS_THROUGH | table::PRESENT);
        state.run(&[queue::context(function.0 as u16, 0), queue::domain(number)])
    }

    fn detach(&self, function: PciAddress, number: u16) -> Result<(), IommuError> {
        let mut state = self.state.lock();
        let Some([lower, _]) = state.context(function) else {
            return Ok(());
        };
        self.write(lower, 0);
        let context = queue::context(function.0 as u16, number);
        state.run(&[context, queue::domain(number)])
    }

    fn forget(&self, number: u16) -> Result<(), IommuError> {
        self.state.lock().run(&[queue::domain(number)])
    }

    fn write(&self, entry: &AtomicU64, value: u64) {
        entry.store(value, Ordering::Release);
        if self.is_incoherent.load(Ordering::Relaxed) {
            write_back(core::ptr::from_ref(entry) as usize);
        }
    }

    fn take_fault(&self) -> Option<DeviceFault> {
        let state = self.state.lock();
        let mut units = state.units.iter().flatten();
        units.find_map(Unit::take_fault)
    }
}

/// How far interrupts can be remapped on this machine; none if they cannot: a unit that
/// does not would let messages through, and one that refuses an I/O APIC's, whose id the
/// firmware does not tell, would leave the console without input.
pub fn width(platform: &Platform) -> Option<Width> {
    let units = platform.remapping_units.as_slice();
    let all_have = |capability| {
        let mut units = units.iter();
        units.all(|unit| unit::extended_capability(unit.address) & capability != 0)
    };
    let mut io_apics = platform.io_apics.as_slice().iter();
    let can_remap = platform.remaps_interrupts
        && !units.is_empty()
        && all_have(capability::REMAPS_INTERRUPTS)
        && io_apics.all(|io_apic| platform.requester_of(io_apic.id).is_some());
    let is_wide = apic::is_x2apic() && all_have(capability::WIDE_IDS);
    can_remap.then_some(if is_wide { Width::Wide } else { Width::Narrow })
}

impl Units {
    /// Lets only `source` raise a vector, on one CPU. False: interrupts are not remapped.
    ///
    /// # Errors
    /// [`IommuError`]
    pub fn admit(&self, entry: Entry) -> Result<bool, IommuError> {
        let mut state = self.state.lock();
        let Some((table, width)) = state.interrupts else {
            return Ok(false);
        };
        if !interrupts::set(table, entry, width, |word, value| self.write(word, value)) {
            return Err(IommuError::Unsupported);
        }
        state.run(&[queue::interrupt(entry.vector.into())])?;
        Ok(true)
    }

    /// Lets nobody raise a vector; on return nobody does.
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    pub fn refuse(&self, vector: u8) -> Result<(), IommuError> {
        let mut state = self.state.lock();
        let Some((table, _)) = state.interrupts else {
            return Ok(());
        };
        interrupts::clear(table, vector, |word, value| self.write(word, value));
        state.run(&[queue::interrupt(vector.into())])
    }
}

impl State {
    /// Makes all units remap interrupts, of which there is none at first.
    fn remap_interrupts(&mut self, width: Width) -> Result<(), IommuError> {
        let page = zeroed_page().ok_or(IommuError::NoMemory)?;
        let mut units = self.units.iter_mut().flatten();
        units.try_for_each(|unit| unit.remap_interrupts(page, width))?;
        // SAFETY: the page is never freed, mapped at its physical address, zeroed, and
        // from now on read and written as words only.
        self.interrupts = Some((unsafe { &*(page as *const interrupts::Table) }, width));
        Ok(())
    }

    /// Levels and numbers of domains that all units have; device addresses must reach
    /// all of memory.
    fn common(&self) -> Result<(u32, u32), IommuError> {
        let units = || self.units.iter().flatten().map(Unit::capability);
        let first = units().next().ok_or(IommuError::Unsupported)?;
        let levels = capability::levels(first).ok_or(IommuError::Unsupported)?;
        let fits = |one: u64| {
            let bits = (12 + 9 * levels).min(MAX_ADDRESS_BITS);
            capability::levels(one) == Some(levels) && capability::address_bits(one) >= bits
        };
        let domain_bits = units().map(capability::domain_bits).min().unwrap_or(0);
        if !units().all(fits) {
            return Err(IommuError::Unsupported);
        }
        Ok((levels, 1 << domain_bits))
    }

    /// The two halves of a function's context entry, if its bus has any.
    fn context(&self, function: PciAddress) -> Option<[&'static AtomicU64; 2]> {
        let function = usize::try_from(function.0).ok()?;
        if self.root == 0 || function > 0xffff {
            return None;
        }
        let bus = entry(self.root, 2 * (function >> 8)).load(Ordering::Relaxed);
        let contexts = bus & table::ADDRESS;
        let index = 2 * (function & 0xff);
        (bus & table::PRESENT != 0).then(|| [entry(contexts, index), entry(contexts, index + 1)])
    }

    fn run(&mut self, entries: &[[u64; 2]]) -> Result<(), IommuError> {
        let mut units = self.units.iter_mut().flatten();
        units.try_for_each(|unit| unit.run(entries))
    }
}

/// The `index`-th word of a table that is never freed.
fn entry(table: u64, index: usize) -> &'static AtomicU64 {
    // SAFETY: root and context tables are whole pages, mapped at their physical
    // address, never freed and read and written as words only; indices are below 512.
    unsafe { &*(table as *const AtomicU64).add(index) }
}
