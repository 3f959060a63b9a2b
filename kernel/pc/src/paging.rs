//! The kernel's page tables: all RAM at its physical address, and the mappings
//! that the kernel core asks for.
//!
//! No memory is both writable and executable, whatever address it is reached by: the
//! page tables themselves and images' code lie in sealed memory
//! ([`kernel_core::frames`]), which is read-only at its physical address, as the
//! kernel's own code and constants are. They are written to with CR0.WP off for a few
//! stores, on one CPU, with interrupts held back. (Another alias that is writable for a
//! moment would be reached by every CPU, and its own entry would have to be writable.)

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::protection;

use kernel_core::frames::{self, CHUNK_BYTES};
use kernel_core::machine::{MapError, Permission, PhysicalRange, SealedMemory};
use kernel_core::page_table::{FrameAccess, PageSize, PageTable};
use kernel_core::sync::SpinLock;

use crate::acpi::{Platform, Register};
use crate::boot::entry::BOOT_STACK;
use crate::cpu;
use crate::memory::{PAGE, Ranges};
use crate::pci;
use crate::shootdown;

/// Where the kernel core may place mappings: 64 TiB of the upper half.
pub const MAPPING_AREA: Range<usize> = 0xffff_8000_0000_0000..0xffff_c000_0000_0000;
/// The entry code maps this much, so tables must lie below until ours are in use.
const BOOT_MAPPED: u64 = 4 << 30;
/// Bytes of a local APIC's and an I/O APIC's registers.
const APIC_SIZE: u64 = PAGE;
/// Bytes of an IOMMU's registers.
pub const IOMMU_SIZE: u64 = PAGE;

static TABLES: SpinLock<Option<PageTable<Frames>>> = SpinLock::new(None);

/// Where the parts of the kernel lie; the linker script sets the symbols.
pub mod image {
    use kernel_core::machine::PhysicalRange;

    unsafe extern "C" {
        static __kernel_start: u8;
        static __rodata_end: u8;
        static __text_end: u8;
        static __kernel_end: u8;
    }

    /// All of it.
    pub fn all() -> PhysicalRange {
        range(&raw const __kernel_start, &raw const __kernel_end)
    }

    /// Constants.
    pub fn constants() -> PhysicalRange {
        range(&raw const __kernel_start, &raw const __rodata_end)
    }

    /// Code.
    pub fn text() -> PhysicalRange {
        range(&raw const __rodata_end, &raw const __text_end)
    }

    fn range(start: *const u8, end: *const u8) -> PhysicalRange {
        PhysicalRange {
            start: start as u64,
            end: end as u64,
        }
    }
}

/// RAM that one chunk of tables can certainly map, in large pages.
const RAM_PER_CHUNK: u64 = 64 << 30;
/// The same in small pages.
const RAM_PER_CHUNK_KEYED: u64 = 512 << 20;

/// 1: RAM carries protection keys, page by page. Written by [`init`].
pub static HAS_KEYS: AtomicU32 = AtomicU32::new(0);

/// Whether RAM carries protection keys.
pub fn has_keys() -> bool {
    HAS_KEYS.load(Ordering::Relaxed) != 0
}

/// What may be done with RAM that is nobody's yet: it is the kernel's.
fn writable() -> Permission {
    if has_keys() {
        Permission::Keyed(protection::KERNEL)
    } else {
        Permission::ReadWrite
    }
}

/// Free memory, while the kernel core has no allocator.
struct Early {
    memory: Ranges,
    /// Chunks for tables, sealed by [`init`].
    chunks: PhysicalRange,
    /// What of them is used.
    used: u64,
}

impl Early {
    /// Takes chunks for the tables that map `ram` out of `memory`.
    fn new(mut memory: Ranges, ram: &Ranges) -> Option<Self> {
        let each = if has_keys() {
            RAM_PER_CHUNK_KEYED
        } else {
            RAM_PER_CHUNK
        };
        let bytes = CHUNK_BYTES * (1 + ram.total() / each);
        let pages = (bytes + CHUNK_BYTES) / PAGE - 1;
        let taken = memory.take(pages, BOOT_MAPPED)?;
        let start = taken.next_multiple_of(CHUNK_BYTES);
        let chunks = PhysicalRange {
            start,
            end: start + bytes,
        };
        memory.add(PhysicalRange {
            start: taken,
            end: chunks.start,
        });
        memory.add(PhysicalRange {
            start: chunks.end,
            end: taken + pages * PAGE,
        });
        Some(Self {
            memory,
            chunks,
            used: 0,
        })
    }

    fn allocate(&mut self) -> Option<u64> {
        let frame = self.chunks.start + self.used;
        (frame < self.chunks.end).then(|| {
            self.used += PAGE;
            frame
        })
    }

    fn sealed(&self) -> SealedMemory {
        SealedMemory {
            all: self.chunks,
            free: PhysicalRange {
                start: self.chunks.start + self.used,
                end: self.chunks.end,
            },
        }
    }
}

/// Where frames for tables come from.
struct Frames {
    early: Option<Early>,
}

impl FrameAccess for Frames {
    fn allocate(&mut self) -> Option<u64> {
        match &mut self.early {
            Some(early) => early.allocate(),
            None => frames::allocate_table(),
        }
    }

    /// Early frames are given back only when the kernel cannot start.
    fn free(&mut self, frame: u64) {
        if self.early.is_none() {
            frames::free_table(frame);
        }
    }

    fn read(&self, frame: u64, index: usize) -> u64 {
        // SAFETY: the frame holds a table, RAM is mapped at its physical
        // address, and `index` is below 512. The processor may read it too.
        unsafe { (frame as *const u64).add(index).read_volatile() }
    }

    fn write(&mut self, frame: u64, index: usize, entry: u64) {
        self.write_each(frame, index..index + 1, |_, _| entry);
    }

    fn write_each(&mut self, frame: u64, indices: Range<usize>, entry: impl Fn(usize, u64) -> u64) {
        let table = frame as *mut u64;
        cpu::with_writes_unprotected(|| {
            for index in indices {
                // SAFETY: as in `read`; `PageTable` decides what is mapped.
                unsafe {
                    let place = table.add(index);
                    place.write_volatile(entry(index, place.read_volatile()));
                }
            }
        });
    }

    fn invalidate(&mut self, range: Range<usize>) {
        shootdown::invalidate(range);
    }
}

/// Why the kernel's own mappings could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetupError(MapError);

impl From<MapError> for SetupError {
    fn from(error: MapError) -> Self {
        Self(error)
    }
}

/// Makes the final tables out of `free` memory and switches to them. `keyed`: RAM is to
/// carry protection keys, which this CPU has.
///
/// # Errors
/// If memory does not suffice or the firmware's tables contradict each other.
///
/// # Safety
/// The entry code's tables must be in use; `ram` must hold all RAM that is used
/// from now on, the kernel and the archive included.
pub unsafe fn init(
    ram: &Ranges,
    free: Ranges,
    archive: PhysicalRange,
    platform: &Platform,
    keyed: bool,
) -> Result<(), SetupError> {
    HAS_KEYS.store(keyed.into(), Ordering::Relaxed);
    let early = Early::new(free, ram).ok_or(MapError::NoMemory)?;
    let chunks = early.chunks;
    let frames = Frames { early: Some(early) };
    let mut tables = PageTable::new(frames).ok_or(MapError::NoMemory)?;
    for range in ram.as_slice() {
        map(&mut tables, *range, writable())?;
    }
    protect(&mut tables, image::constants(), Permission::Read)?;
    protect(&mut tables, image::text(), Permission::ReadExecute)?;
    protect(&mut tables, archive, Permission::Read)?;
    protect(&mut tables, chunks, Permission::Read)?;
    let guard = &raw const BOOT_STACK as usize;
    tables.unmap(guard, PAGE as usize)?;
    map_devices(&mut tables, platform)?;
    // SAFETY: all RAM in use is mapped as before, the code executable, and
    // the stack writable.
    unsafe { cpu::load_page_tables(tables.root()) };
    if keyed {
        // SAFETY: the caller's promise; the tables say which page has which key.
        unsafe { cpu::enable_keys() };
    }
    *TABLES.lock() = Some(tables);
    Ok(())
}

/// Ends the use of early memory; what is left of it, and what is sealed.
pub fn hand_over() -> (Ranges, SealedMemory) {
    let mut tables = TABLES.lock();
    let early = tables
        .as_mut()
        .and_then(|tables| tables.access().early.take());
    early.map_or((Ranges::new(), SealedMemory::NONE), |early| {
        (early.memory, early.sealed())
    })
}

/// `count` stacks of `pages` pages each in early memory, a guard page below
/// each. `None` without memory.
pub fn guarded_stacks(count: u64, pages: u64) -> Option<usize> {
    let mut tables = TABLES.lock();
    let tables = tables.as_mut()?;
    let early = tables.access().early.as_mut()?;
    let start = early.memory.take(count * (pages + 1), BOOT_MAPPED)? as usize;
    let stride = (pages + 1) as usize * PAGE as usize;
    // The processor writes to them with the rights of whom it interrupts.
    let whole = count as usize * stride;
    if has_keys() {
        tables.protect(start, whole, Permission::ReadWrite).ok()?;
    }
    (0..count as usize)
        .try_for_each(|stack| tables.unmap(start + stack * stride, PAGE as usize))
        .ok()?;
    Some(start)
}

/// Maps a page of RAM below 1 MiB, which [`init`] leaves out, lets `write` fill
/// it and makes it code. False without memory for tables.
pub fn with_low_page(page: u64, write: impl FnOnce()) -> bool {
    let mut tables = TABLES.lock();
    let Some(tables) = tables.as_mut() else {
        return false;
    };
    let (at, length) = (page as usize, PAGE as usize);
    if tables
        .map(at, page, length, Permission::ReadWrite, PageSize::Small)
        .is_err()
    {
        return false;
    }
    write();
    tables.protect(at, length, Permission::ReadExecute).is_ok()
}

/// See [`kernel_core::machine::Machine::map`]. Small pages only, so that
/// [`unmap_pages`] never has to split one, which takes memory.
pub fn map_pages(
    at: usize,
    frame: u64,
    pages: usize,
    permission: Permission,
) -> Result<(), MapError> {
    let length = pages.checked_mul(PAGE as usize).ok_or(MapError::BadRange)?;
    let end = at.checked_add(length).ok_or(MapError::BadRange)?;
    if at < MAPPING_AREA.start || end > MAPPING_AREA.end {
        return Err(MapError::BadRange);
    }
    loop {
        let mapped = {
            let mut tables = TABLES.lock();
            let tables = tables.as_mut().ok_or(MapError::NoMemory)?;
            tables.map(at, frame, length, permission, PageSize::Small)
        };
        if mapped != Err(MapError::NoMemory) || !frames::grow() {
            return mapped;
        }
    }
}

/// See [`kernel_core::machine::Machine::seal`].
pub fn seal(frame: u64, pages: usize, is_sealed: bool) {
    let permission = if is_sealed {
        Permission::Read
    } else {
        writable()
    };
    if let Some(tables) = TABLES.lock().as_mut() {
        tables
            .protect(frame as usize, pages * PAGE as usize, permission)
            .expect("all RAM is mapped, and chunks are whole pages of their size");
    }
}

/// See [`kernel_core::machine::Machine::set_key`].
pub fn set_key(frame: u64, pages: usize, key: u8) {
    if let (true, Some(tables)) = (has_keys(), TABLES.lock().as_mut()) {
        let permission = Permission::Keyed(key);
        tables
            .protect(frame as usize, pages * PAGE as usize, permission)
            .expect("all RAM is mapped, in small pages where there are keys");
    }
}

/// See [`kernel_core::machine::Machine::write_sealed`].
///
/// # Safety
/// As there.
pub unsafe fn write_sealed(at: u64, bytes: &[u8]) {
    let mut place = at as *mut u8;
    for part in bytes.chunks(PAGE as usize) {
        // SAFETY: the caller's promise; RAM is mapped at its physical address.
        cpu::with_writes_unprotected(|| unsafe {
            place.copy_from_nonoverlapping(part.as_ptr(), part.len());
            place = place.add(part.len());
        });
    }
}

/// See [`kernel_core::machine::Machine::unmap`].
pub fn unmap_pages(at: usize, pages: usize) {
    let is_inside = at >= MAPPING_AREA.start
        && pages <= MAPPING_AREA.len() / PAGE as usize
        && at + pages * PAGE as usize <= MAPPING_AREA.end;
    if let (true, Some(tables)) = (is_inside, TABLES.lock().as_mut()) {
        tables
            .unmap(at, pages * PAGE as usize)
            .expect("the area holds small pages, and the kernel core asks for whole ones");
    }
}

fn map_devices(tables: &mut PageTable<Frames>, platform: &Platform) -> Result<(), SetupError> {
    map_device(tables, platform.local_apic, APIC_SIZE)?;
    for io_apic in platform.io_apics.as_slice() {
        map_device(tables, io_apic.address, APIC_SIZE)?;
    }
    for unit in platform.remapping_units.as_slice() {
        map_device(tables, unit.address, IOMMU_SIZE)?;
    }
    for space in platform.configuration_spaces.as_slice() {
        map_device(tables, space.address, pci::memory_size(space))?;
    }
    let registers = [
        platform.power.sleep_control,
        platform.power.reset.map(|(reset, _)| reset),
    ];
    for register in registers.into_iter().flatten() {
        if let Register::Memory(address) = register {
            map_device(tables, address, 1)?;
        }
    }
    Ok(())
}

/// Maps the pages of a device; two devices may share one.
fn map_device(tables: &mut PageTable<Frames>, address: u64, size: u64) -> Result<(), SetupError> {
    let (start, end) = (
        address & !(PAGE - 1),
        (address + size).next_multiple_of(PAGE),
    );
    if tables
        .translate(start as usize)
        .is_some_and(|(_, rights)| rights == Permission::Device)
    {
        return Ok(());
    }
    map(tables, PhysicalRange { start, end }, Permission::Device)
}

fn map(
    tables: &mut PageTable<Frames>,
    range: PhysicalRange,
    permission: Permission,
) -> Result<(), SetupError> {
    let length = (range.end - range.start) as usize;
    // A key is given to page after page, which must need no memory for tables.
    let largest = if has_keys() {
        PageSize::Small
    } else {
        PageSize::Large
    };
    tables.map(
        range.start as usize,
        range.start,
        length,
        permission,
        largest,
    )?;
    Ok(())
}

fn protect(
    tables: &mut PageTable<Frames>,
    range: PhysicalRange,
    permission: Permission,
) -> Result<(), SetupError> {
    let length = (range.end - range.start) as usize;
    tables.protect(range.start as usize, length, permission)?;
    Ok(())
}
