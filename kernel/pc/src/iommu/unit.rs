//! One IOMMU: turned on, told to forget what it has cached, asked for faults.

use core::sync::atomic::{AtomicU32, Ordering, fence};

use kernel_core::frames;
use kernel_core::machine::{DeviceFault, InterruptRefusal, IommuError, Refused};

use super::interrupts::Width;
use super::registers::{capability, command, fault, interrupt_table, message, queue, register};
use crate::memory::PAGE;
use crate::paging::IOMMU_SIZE;

/// Most times a status is read before the unit is taken to be broken: a second or
/// more. It must not be waited for for ever.
const PATIENCE: u32 = 10_000_000;

/// One unit and its queue.
#[derive(Debug)]
pub struct Unit {
    registers: usize,
    capability: u64,
    extended: u64,
    /// A page of entries.
    queue: u64,
    /// Where the next entry goes.
    tail: usize,
    /// What the last wait was answered with.
    done: u32,
    /// A page whose first word the unit writes when it has done what is queued.
    answer: u64,
    /// Commands that stay on.
    on: u32,
}

impl Unit {
    /// A unit whose registers are mapped at `registers`.
    ///
    /// # Errors
    /// [`IommuError`], if it cannot be used.
    pub fn new(registers: u64) -> Result<Self, IommuError> {
        let mut unit = Self {
            registers: registers as usize,
            capability: 0,
            extended: 0,
            queue: 0,
            tail: 0,
            done: 0,
            answer: 0,
            on: 0,
        };
        unit.capability = unit.read64(register::CAPABILITY);
        unit.extended = unit.read64(register::EXTENDED_CAPABILITY);
        let records = capability::fault_record_count(unit.capability) * fault::RECORD_BYTES;
        let records_end = capability::fault_records(unit.capability) + records;
        if !unit.has(capability::QUEUED) || records_end as u64 > IOMMU_SIZE {
            return Err(IommuError::Unsupported);
        }
        unit.queue = zeroed_page().ok_or(IommuError::NoMemory)?;
        unit.answer = zeroed_page().ok_or(IommuError::NoMemory)?;
        Ok(unit)
    }

    /// What it can do.
    pub const fn capability(&self) -> u64 {
        self.capability
    }

    /// Whether it has all these extended capabilities.
    pub const fn has(&self, extended: u64) -> bool {
        self.extended & extended == extended
    }

    /// Makes it translate by the tables under `root`, and raise `message` (address,
    /// data) for faults.
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    pub fn start(&mut self, root: u64, message: (u64, u32)) -> Result<(), IommuError> {
        self.stop()?;
        self.write64(register::QUEUE_TAIL, 0);
        self.write64(register::QUEUE_ADDRESS, self.queue);
        self.turn_on(command::QUEUE)?;
        self.write64(register::ROOT_TABLE, root);
        self.command(self.on | command::SET_ROOT, command::SET_ROOT, true)?;
        self.run(&[queue::ALL_CONTEXTS, queue::ALL_DOMAINS])?;
        let (address, data) = message;
        self.write32(register::FAULT_DATA, data);
        self.write32(register::FAULT_ADDRESS, address as u32);
        self.write32(register::FAULT_UPPER_ADDRESS, (address >> 32) as u32);
        self.write32(register::FAULT_CONTROL, 0);
        self.turn_on(command::TRANSLATE)
    }

    /// Turns off what firmware may have left on, one thing at a time as section 11.4.4.1
    /// asks for.
    fn stop(&mut self) -> Result<(), IommuError> {
        self.on = self.read32(register::STATUS) & command::LASTING;
        for bit in [
            command::REMAP_INTERRUPTS,
            command::PASS_COMPATIBLE,
            command::TRANSLATE,
            command::QUEUE,
        ] {
            self.on &= !bit;
            self.command(self.on, bit, false)?;
        }
        self.on = 0;
        Ok(())
    }

    /// Makes it remap interrupts by the page of entries at `table`, and refuse those
    /// that name none. After [`Self::start`].
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    pub fn remap_interrupts(&mut self, table: u64, width: Width) -> Result<(), IommuError> {
        let wide = match width {
            Width::Wide => interrupt_table::WIDE_IDS,
            Width::Narrow => 0,
        };
        self.write64(
            register::INTERRUPT_TABLE,
            table | wide | interrupt_table::SIZE,
        );
        let set = command::SET_INTERRUPT_TABLE;
        self.command(self.on | set, set, true)?;
        self.run(&[queue::ALL_INTERRUPTS])?;
        self.turn_on(command::REMAP_INTERRUPTS)
    }

    fn turn_on(&mut self, bit: u32) -> Result<(), IommuError> {
        self.on |= bit;
        self.command(self.on, bit, true)
    }

    /// Writes the command register and waits for a bit of the status.
    fn command(&self, word: u32, bits: u32, is_set: bool) -> Result<(), IommuError> {
        self.write32(register::COMMAND, word);
        let expected = if is_set { bits } else { 0 };
        for _ in 0..PATIENCE {
            if self.read32(register::STATUS) & bits == expected {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(IommuError::Broken)
    }

    /// Carries out entries of the queue; on return they are done.
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    pub fn run(&mut self, entries: &[[u64; 2]]) -> Result<(), IommuError> {
        if capability::has_write_buffer(self.capability) {
            let word = self.on | command::FLUSH_WRITES;
            self.command(word, command::FLUSH_WRITES, false)?;
        }
        self.done = self.done.wrapping_add(1);
        for entry in entries {
            self.push(*entry);
        }
        self.push(queue::wait(self.answer, self.done));
        fence(Ordering::SeqCst);
        self.write64(
            register::QUEUE_TAIL,
            (self.tail * queue::ENTRY_BYTES) as u64,
        );
        // SAFETY: the page is the unit's for ever, mapped, and holds plain words.
        let answer = unsafe { &*(self.answer as *const AtomicU32) };
        for _ in 0..PATIENCE {
            if answer.load(Ordering::Acquire) == self.done {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(IommuError::Broken)
    }

    fn push(&mut self, entry: [u64; 2]) {
        let at = self.queue as usize + self.tail * queue::ENTRY_BYTES;
        // SAFETY: the entry lies in the queue's page, which is this unit's; it has
        // done all that was queued before ([`Self::run`] waits), so that it does not
        // read here now.
        unsafe { (at as *mut [u64; 2]).write_volatile(entry) };
        if !self.has(capability::COHERENT) {
            write_back(at);
        }
        self.tail = (self.tail + 1) % queue::ENTRIES;
    }

    /// Takes a fault that the unit has noted.
    pub fn take_fault(&self) -> Option<DeviceFault> {
        let records = capability::fault_records(self.capability);
        for index in 0..capability::fault_record_count(self.capability) {
            let at = records + index * fault::RECORD_BYTES;
            let upper = self.read64(at + 8);
            if upper & fault::PRESENT != 0 {
                let lower = self.read64(at);
                self.write32(at + 12, (fault::PRESENT >> 32) as u32);
                return Some(fault_of([lower, upper]));
            }
        }
        self.write32(register::FAULT_STATUS, fault::OVERFLOW);
        None
    }

    fn read32(&self, offset: usize) -> u32 {
        // SAFETY: the DMAR table names the registers; their page is mapped, uncached,
        // and offsets lie in it (`new` checked those that the unit names).
        unsafe { ((self.registers + offset) as *const u32).read_volatile() }
    }

    fn read64(&self, offset: usize) -> u64 {
        // SAFETY: as in `read32`.
        unsafe { ((self.registers + offset) as *const u64).read_volatile() }
    }

    fn write32(&self, offset: usize, value: u32) {
        // SAFETY: as in `read32`; the unit is this kernel's alone.
        unsafe { ((self.registers + offset) as *mut u32).write_volatile(value) }
    }

    fn write64(&self, offset: usize, value: u64) {
        // SAFETY: as in `write32`.
        unsafe { ((self.registers + offset) as *mut u64).write_volatile(value) }
    }
}

/// Extended capabilities of the unit whose registers are mapped at `registers`.
pub fn extended_capability(registers: u64) -> u64 {
    let register = registers as usize + register::EXTENDED_CAPABILITY;
    // SAFETY: as in `Unit::read32`; reading has no effect.
    unsafe { (register as *const u64).read_volatile() }
}

/// What a fault record says.
fn fault_of([lower, upper]: [u64; 2]) -> DeviceFault {
    let reason = fault::reason(upper);
    let refused = if fault::INTERRUPTS.contains(&reason) {
        let entry = fault::interrupt(lower);
        Refused::Interrupt {
            address: message::RANGE | message::REMAPPED | u64::from(entry) << message::ENTRY_SHIFT,
            reason: refusal_of(reason),
        }
    } else {
        Refused::Access {
            address: lower & fault::PAGE,
            is_read: upper & fault::READ != 0,
        }
    };
    DeviceFault {
        function: fault::source(upper).into(),
        refused,
    }
}

/// Section 7.1.3, table 25.
const fn refusal_of(reason: u8) -> InterruptRefusal {
    match reason {
        0x21 | 0x22 => InterruptRefusal::NoEntry,
        0x25 => InterruptRefusal::Unchecked,
        0x26 => InterruptRefusal::Foreign,
        0x20 => InterruptRefusal::Malformed,
        // The table could not be read, or what is in it makes no sense.
        _ => InterruptRefusal::Table,
    }
}

/// A page of zeros for a unit to read or write, for ever.
pub fn zeroed_page() -> Option<u64> {
    let page = frames::allocate(1)?;
    // SAFETY: the frame is ours, and mapped at its physical address.
    unsafe { core::ptr::write_bytes(page as *mut u8, 0, PAGE as usize) };
    for line in (page as usize..page as usize + PAGE as usize).step_by(64) {
        write_back(line);
    }
    Some(page)
}

/// Writes a line of the processor's caches back, for a unit that does not look there.
pub fn write_back(at: usize) {
    // SAFETY: the address is mapped; besides the cache nothing changes.
    unsafe {
        core::arch::x86_64::_mm_clflush(at as *const u8);
        core::arch::x86_64::_mm_mfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as section 11.4.14 has it.
    fn record(source: u16, reason: u8, information: u64) -> [u64; 2] {
        let upper = 1 << 63 | u64::from(reason) << 32 | u64::from(source);
        [information, upper]
    }

    #[test]
    fn refused_accesses_are_told_from_refused_interrupts() {
        let [lower, upper] = record(0x1234, 5, 0xdead_b000);
        for is_read in [false, true] {
            let fault = fault_of([lower, upper | u64::from(is_read) << 62]);
            let address = 0xdead_b000;
            assert_eq!(fault.function, 0x1234);
            assert_eq!(fault.refused, Refused::Access { address, is_read });
        }
        let kinds = [
            (0x20, InterruptRefusal::Malformed),
            (0x21, InterruptRefusal::NoEntry),
            (0x22, InterruptRefusal::NoEntry),
            (0x23, InterruptRefusal::Table),
            (0x24, InterruptRefusal::Table),
            (0x25, InterruptRefusal::Unchecked),
            (0x26, InterruptRefusal::Foreign),
        ];
        for (code, reason) in kinds {
            let fault = fault_of(record(0x00f8, code, 0x0041 << 48));
            let address = 0xfee0_0830;
            assert_eq!(fault.function, 0x00f8);
            assert_eq!(fault.refused, Refused::Interrupt { address, reason });
        }
    }
}
