//! PVH start info (Xen, `arch-x86/hvm/start_info.h`).

use kernel_core::machine::PhysicalRange;

use super::{LoaderError, LoaderInfo, MAX_OPTIONS, physical_bytes};
use crate::bytes::{u32_at, u64_at};

const MAGIC: u32 = 0x336e_c578;
/// Bytes of a memory map entry, and of a module entry.
const ENTRY_SIZE: usize = 24;
const MODULE_SIZE: usize = 32;
/// Memory map type of usable RAM.
const RAM: u32 = 1;
/// More entries than any firmware has.
const MAX_ENTRIES: usize = 1024;

/// Offsets in the start info.
mod offset {
    pub const VERSION: usize = 4;
    pub const MODULE_COUNT: usize = 12;
    pub const MODULES: usize = 16;
    pub const COMMAND_LINE: usize = 24;
    pub const RSDP: usize = 32;
    pub const MEMORY_MAP: usize = 40;
    pub const MEMORY_MAP_ENTRIES: usize = 48;
    pub const SIZE: usize = 56;
}

/// Reads the start info at `address`.
///
/// # Safety
/// See [`super::read`].
pub unsafe fn read(address: u32, info: &mut LoaderInfo) -> Result<(), LoaderError> {
    let bad = LoaderError::BadStructure;
    // SAFETY: the protocol puts the structure there.
    let start = unsafe { physical_bytes(u64::from(address), offset::SIZE) };
    let long = |offset| u64_at(start, offset).ok_or(bad);
    if u32_at(start, 0) != Some(MAGIC) {
        return Err(bad);
    }
    // Version 0 has neither RSDP nor memory map.
    if u32_at(start, offset::VERSION) == Some(0) {
        return Err(LoaderError::NoMemoryMap);
    }
    info.rsdp = Some(long(offset::RSDP)?).filter(|&address| address != 0);
    // SAFETY: as above; the text ends with a zero byte, and memory goes on
    // behind it because the loader puts it into low RAM.
    info.set_options(unsafe { physical_bytes(long(offset::COMMAND_LINE)?, MAX_OPTIONS) });

    let count = u32_at(start, offset::MEMORY_MAP_ENTRIES).ok_or(bad)? as usize;
    let length = count.min(MAX_ENTRIES) * ENTRY_SIZE;
    // SAFETY: as above.
    let map = unsafe { physical_bytes(long(offset::MEMORY_MAP)?, length) };
    for entry in map.chunks_exact(ENTRY_SIZE) {
        let (start, size) = (u64_at(entry, 0).ok_or(bad)?, u64_at(entry, 8).ok_or(bad)?);
        if u32_at(entry, 16) == Some(RAM) {
            info.ram.add(PhysicalRange {
                start,
                end: start.saturating_add(size),
            });
        }
    }

    if u32_at(start, offset::MODULE_COUNT).ok_or(bad)? != 0 {
        // SAFETY: as above; there is at least one entry.
        let module = unsafe { physical_bytes(long(offset::MODULES)?, MODULE_SIZE) };
        let start = u64_at(module, 0).ok_or(bad)?;
        let end = start.saturating_add(u64_at(module, 8).ok_or(bad)?);
        info.archive = PhysicalRange { start, end };
    }
    Ok(())
}
