//! RAM and mappings: a memory file, mapped whole and page-wise.
//!
//! A physical address is an offset in the file. The direct map and the area
//! for mappings lie at fixed addresses far from where Linux puts anything by
//! itself, so a mapping is one `mmap` and a free address range is one where
//! nothing is mapped.

use core::ops::Range;

use abi::PAGE_SIZE;
use kernel_core::machine::{MapError, Permission};

use crate::system_call::{Errno, descriptor_argument, system_call};

/// Where the direct map may lie, by preference. The second is for valgrind,
/// which owns the upper part of the address space.
const BASES: [usize; 2] = [0x2000_0000_0000, 0x0100_0000_0000];
/// From the base to the area for mappings: more than the most RAM there is.
const AREA_OFFSET: usize = 1 << 39;
const AREA_BYTES: usize = 1 << 38;

/// RAM of the machine.
#[derive(Debug)]
pub struct Memory {
    file: i32,
    direct_map: usize,
    bytes: u64,
}

impl Memory {
    /// Makes `bytes` bytes of zeroed RAM, a multiple of the page size.
    pub fn new(bytes: u64) -> Result<Self, Errno> {
        // SAFETY: the name is a zero-terminated string.
        let file = unsafe { libc::memfd_create(c"redleaf-ram".as_ptr(), libc::MFD_CLOEXEC) };
        if file < 0 {
            return Err(Errno::last());
        }
        let length = libc::off_t::try_from(bytes).map_err(|_| Errno(libc::EFBIG))?;
        // SAFETY: the descriptor is ours.
        if unsafe { libc::ftruncate(file, length) } != 0 {
            return Err(Errno::last());
        }
        let mut failure = Errno::NO_MEMORY;
        for base in BASES {
            let mapping = Mapping {
                at: base,
                bytes: bytes as usize,
                protection: libc::PROT_READ | libc::PROT_WRITE,
                flags: 0,
                file,
                offset: 0,
            };
            match mapping.make() {
                Ok(()) => {
                    return Ok(Self {
                        file,
                        direct_map: base,
                        bytes,
                    });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Address of physical address 0.
    pub fn direct_map(&self) -> usize {
        self.direct_map
    }

    /// Bytes of RAM.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where mappings may be made.
    pub fn mapping_area(&self) -> Range<usize> {
        let start = self.direct_map + AREA_OFFSET;
        start..start + AREA_BYTES
    }

    /// See [`kernel_core::machine::Machine::map`].
    pub fn map(
        &self,
        at: usize,
        frame: u64,
        pages: usize,
        permission: Permission,
    ) -> Result<(), MapError> {
        let bytes = self.check(at, pages).ok_or(MapError::BadRange)?;
        let frame_end = frame.checked_add(bytes as u64).ok_or(MapError::BadRange)?;
        if !frame.is_multiple_of(PAGE_SIZE as u64) || frame_end > self.bytes {
            return Err(MapError::BadRange);
        }
        let protection = match permission {
            Permission::Read => libc::PROT_READ,
            Permission::ReadWrite | Permission::Keyed(_) => libc::PROT_READ | libc::PROT_WRITE,
            Permission::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
            // There are no devices in RAM.
            Permission::Device => return Err(MapError::BadRange),
        };
        let mapping = Mapping {
            at,
            bytes,
            protection,
            // A mapping is about to be used; one call is cheaper than a fault
            // for every page.
            flags: libc::MAP_POPULATE,
            file: self.file,
            offset: frame,
        };
        mapping.make().map_err(|error| match error {
            Errno::NO_MEMORY => MapError::NoMemory,
            _ => MapError::BadRange,
        })
    }

    /// See [`kernel_core::machine::Machine::unmap`].
    pub fn unmap(&self, at: usize, pages: usize) {
        let Some(bytes) = self.check(at, pages) else {
            return;
        };
        // SAFETY: the range lies in the area for mappings, where only `map`
        // maps anything; the kernel core no longer uses it. Linux may refuse
        // for want of memory, and then the mapping stays, harmlessly.
        let _ = unsafe { system_call(libc::SYS_munmap, [at, bytes, 0, 0, 0, 0]) };
    }

    /// See [`kernel_core::machine::Machine::seal`].
    pub fn seal(&self, frame: u64, pages: usize, is_sealed: bool) {
        let protection = if is_sealed {
            libc::PROT_READ
        } else {
            libc::PROT_READ | libc::PROT_WRITE
        };
        let at = self.direct_map + frame as usize;
        let arguments = [at, pages * PAGE_SIZE, protection as usize, 0, 0, 0];
        // SAFETY: the kernel core asks for RAM, of which only writing is taken away.
        // Linux may refuse for want of memory, and then it stays as it is.
        let _ = unsafe { system_call(libc::SYS_mprotect, arguments) };
    }

    /// See [`kernel_core::machine::Machine::write_sealed`].
    pub fn write_sealed(&self, at: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let place = at as usize + done;
            let file = descriptor_argument(self.file);
            let arguments = [file, rest.as_ptr() as usize, rest.len(), place, 0, 0];
            // SAFETY: the bytes can be read, and the file is ours: the machine's RAM,
            // of which the kernel core says what to write.
            match unsafe { system_call(libc::SYS_pwrite64, arguments) } {
                Ok(written) => done += written,
                Err(Errno::INTERRUPTED) => {}
                Err(error) => unreachable!("the file holds all RAM: {error:?}"),
            }
        }
    }

    /// The length of a page range in bytes, if it lies in the area.
    fn check(&self, at: usize, pages: usize) -> Option<usize> {
        let area = self.mapping_area();
        let bytes = pages.checked_mul(PAGE_SIZE)?;
        let end = at.checked_add(bytes)?;
        let inside = at >= area.start && end <= area.end;
        (pages > 0 && at.is_multiple_of(PAGE_SIZE) && inside).then_some(bytes)
    }
}

/// One shared mapping of a file at an address where nothing is mapped.
struct Mapping {
    at: usize,
    bytes: usize,
    protection: i32,
    flags: i32,
    file: i32,
    offset: u64,
}

impl Mapping {
    fn make(&self) -> Result<(), Errno> {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE | self.flags;
        let arguments = [
            self.at,
            self.bytes,
            self.protection as usize,
            flags as usize,
            descriptor_argument(self.file),
            self.offset as usize,
        ];
        // SAFETY: NOREPLACE makes it fail where something is mapped already, so
        // no memory in use changes.
        let got = unsafe { system_call(libc::SYS_mmap, arguments) }?;
        if got == self.at {
            return Ok(());
        }
        // Valgrind and old kernels take the address for a wish.
        // SAFETY: the mapping was made just now, nobody uses it.
        let _ = unsafe { system_call(libc::SYS_munmap, [got, self.bytes, 0, 0, 0, 0]) };
        Err(Errno(libc::EEXIST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, PoisonError};

    /// The direct map has its place once in a process.
    static ONE: Mutex<()> = Mutex::new(());

    fn with_memory(test: impl FnOnce(&Memory)) {
        let _guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = Memory::new(1 << 24).expect("the host has 16 MiB");
        test(&memory);
        let range = [memory.direct_map, 1 << 24, 0, 0, 0, 0];
        // SAFETY: the test is over, nobody uses its memory.
        unsafe {
            system_call(libc::SYS_munmap, range).expect("the direct map is mapped");
            libc::close(memory.file);
        }
    }

    #[test]
    fn mappings_show_the_frames_they_name() {
        with_memory(|memory| {
            let at = memory.mapping_area().start;
            memory
                .map(at, 0x5000, 2, Permission::ReadWrite)
                .expect("the place is free");
            // SAFETY: both addresses are mapped just now and lie in RAM.
            unsafe {
                ((at + PAGE_SIZE) as *mut u64).write_volatile(77);
                let direct = (memory.direct_map() + 0x6000) as *const u64;
                assert_eq!(direct.read_volatile(), 77);
            }
            memory.unmap(at, 2);
            memory
                .map(at, 0, 1, Permission::Read)
                .expect("the place is free again");
            memory.unmap(at, 1);
        });
    }

    #[test]
    fn code_can_be_executed_where_it_is_mapped_so() {
        with_memory(|memory| {
            let at = memory.mapping_area().start + 16 * PAGE_SIZE;
            // SAFETY: the frame is ours; the bytes are `mov eax, 42; ret`, a
            // function without arguments.
            let answer = unsafe {
                let code = (memory.direct_map() + 0x3000) as *mut [u8; 6];
                code.write([0xb8, 42, 0, 0, 0, 0xc3]);
                memory
                    .map(at, 0x3000, 1, Permission::ReadExecute)
                    .expect("the place is free");
                core::mem::transmute::<usize, extern "sysv64" fn() -> u32>(at)()
            };
            assert_eq!(answer, 42);
            memory.unmap(at, 1);
        });
    }

    #[test]
    fn refuses_ranges_that_are_taken_or_outside() {
        with_memory(|memory| {
            let area = memory.mapping_area();
            let refused = |at, frame, pages| {
                assert_eq!(
                    memory.map(at, frame, pages, Permission::ReadWrite),
                    Err(MapError::BadRange)
                );
            };
            memory
                .map(area.start + PAGE_SIZE, 0, 1, Permission::ReadWrite)
                .expect("the place is free");
            refused(area.start, 0, 2);
            memory.unmap(area.start + PAGE_SIZE, 1);
            refused(area.start - PAGE_SIZE, 0, 1);
            refused(area.end, 0, 1);
            refused(area.end - PAGE_SIZE, 0, 2);
            refused(area.start + 1, 0, 1);
            refused(area.start, 1, 1);
            refused(area.start, 0, 0);
            refused(area.start, 0, usize::MAX);
            refused(area.start, memory.bytes(), 1);
            refused(area.start, u64::MAX - 4095, 1);
            assert_eq!(
                memory.map(area.start, 0, 1, Permission::Device),
                Err(MapError::BadRange)
            );
        });
    }
}
