//! What the boot loader says, whichever protocol it speaks.

pub mod entry;
mod multiboot2;
mod pvh;

use kernel_core::machine::PhysicalRange;

use crate::memory::Ranges;

/// Longest command line that is kept.
const MAX_OPTIONS: usize = 4096;

/// The protocol by which the kernel was started; `entry.rs` passes the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Loader {
    /// Xen's direct boot ABI: QEMU `-kernel`, Firecracker, Cloud Hypervisor.
    Pvh = 1,
    /// GRUB.
    Multiboot2 = 2,
}

/// Why the loader's information is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoaderError {
    /// Neither PVH nor Multiboot2.
    UnknownLoader,
    /// The structure's magic number or size is wrong.
    BadStructure,
    /// It brings no memory map.
    NoMemoryMap,
}

/// The loader's information, copied or reduced to addresses, so that its memory
/// may be used.
pub struct LoaderInfo {
    /// Usable RAM as the firmware sees it.
    pub ram: Ranges,
    /// The first module: the boot archive. Empty without one.
    pub archive: PhysicalRange,
    /// Where the ACPI root pointer is, if the loader says.
    pub rsdp: Option<u64>,
    options: [u8; MAX_OPTIONS],
    options_length: usize,
}

impl LoaderInfo {
    fn new() -> Self {
        Self {
            ram: Ranges::new(),
            archive: PhysicalRange { start: 0, end: 0 },
            rsdp: None,
            options: [0; MAX_OPTIONS],
            options_length: 0,
        }
    }

    /// The command line; what is not UTF-8 ends it.
    pub fn options(&self) -> &str {
        let bytes = &self.options[..self.options_length];
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()])
                .expect("the valid part was just measured"),
        }
    }

    fn set_options(&mut self, text: &[u8]) {
        let length = text
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(text.len());
        self.options_length = length.min(MAX_OPTIONS);
        self.options[..self.options_length].copy_from_slice(&text[..self.options_length]);
    }
}

/// Reads what the loader left at physical address `address`.
///
/// # Errors
/// [`LoaderError`].
///
/// # Safety
/// `loader` and `address` must be what the entry point received, the first
/// 4 GiB identity-mapped, and the loader's memory untouched.
pub unsafe fn read(loader: u32, address: u32) -> Result<LoaderInfo, LoaderError> {
    let mut info = LoaderInfo::new();
    // SAFETY: our caller passes on what the loader of this protocol promised.
    unsafe {
        if loader == Loader::Pvh as u32 {
            pvh::read(address, &mut info)?;
        } else if loader == Loader::Multiboot2 as u32 {
            multiboot2::read(address, &mut info)?;
        } else {
            return Err(LoaderError::UnknownLoader);
        }
    }
    if info.ram.as_slice().is_empty() {
        return Err(LoaderError::NoMemoryMap);
    }
    Ok(info)
}

/// `length` bytes of identity-mapped memory.
///
/// # Safety
/// They must be readable, and not written while the slice lives.
unsafe fn physical_bytes(address: u64, length: usize) -> &'static [u8] {
    // SAFETY: the caller's promise. Address 0 would be no valid reference.
    unsafe {
        if address == 0 {
            &[]
        } else {
            core::slice::from_raw_parts(address as *const u8, length)
        }
    }
}
