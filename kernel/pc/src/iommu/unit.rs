//! One IOMMU: turned on, told to forget translations, asked for faults.

use core::sync::atomic::{AtomicU32, Ordering, fence};

use kernel_core::frames;
use kernel_core::machine::{DeviceFault, IommuError};

use super::registers::{capability, command, fault, queue, register};
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
    /// A page of entries.
    queue: u64,
    /// Where the next entry goes.
    tail: usize,
    /// What the last wait was answered with.
    done: u32,
    /// A page whose first word the unit writes when it has done what is queued.
    answer: u64,
    is_coherent: bool,
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
            queue: 0,
            tail: 0,
            done: 0,
            answer: 0,
            is_coherent: false,
            on: 0,
        };
        unit.capability = unit.read64(register::CAPABILITY);
        let extended = unit.read64(register::EXTENDED_CAPABILITY);
        unit.is_coherent = extended & capability::COHERENT != 0;
        let records = capability::fault_record_count(unit.capability) * fault::RECORD_BYTES;
        let records_end = capability::fault_records(unit.capability) + records;
        if extended & capability::QUEUED == 0 || records_end as u64 > IOMMU_SIZE {
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

    /// Whether it sees what is in processors' caches.
    pub const fn is_coherent(&self) -> bool {
        self.is_coherent
    }

    /// Makes it translate by the tables under `root`, and raise `message` (address,
    /// data) for faults.
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    pub fn start(&mut self, root: u64, message: (u64, u32)) -> Result<(), IommuError> {
        // Firmware may have left it on.
        self.on = 0;
        self.command(0, command::TRANSLATE | command::QUEUE, false)?;
        self.write64(register::QUEUE_TAIL, 0);
        self.write64(register::QUEUE_ADDRESS, self.queue);
        self.on = command::QUEUE;
        self.command(self.on, command::QUEUE, true)?;
        self.write64(register::ROOT_TABLE, root);
        self.command(self.on | command::SET_ROOT, command::SET_ROOT, true)?;
        self.run(&[queue::ALL_CONTEXTS, queue::ALL_DOMAINS])?;
        let (address, data) = message;
        self.write32(register::FAULT_DATA, data);
        self.write32(register::FAULT_ADDRESS, address as u32);
        self.write32(register::FAULT_UPPER_ADDRESS, (address >> 32) as u32);
        self.write32(register::FAULT_CONTROL, 0);
        self.on |= command::TRANSLATE;
        self.command(self.on, command::TRANSLATE, true)
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
        if !self.is_coherent {
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
                return Some(DeviceFault {
                    function: (upper & 0xffff) as u32,
                    address: lower & fault::PAGE,
                    is_read: upper & fault::READ != 0,
                });
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
