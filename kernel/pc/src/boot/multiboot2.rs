//! Multiboot2 boot information (specification 2.0, section 3.6).

use kernel_core::machine::PhysicalRange;

use super::{LoaderError, LoaderInfo, physical_bytes};
use crate::bytes::{u32_at, u64_at};

/// Largest boot information that is believed.
const MAX_SIZE: usize = 1 << 20;
/// Memory map type of usable RAM.
const RAM: u32 = 1;

/// Tag types.
mod tag {
    pub const END: u32 = 0;
    pub const COMMAND_LINE: u32 = 1;
    pub const MODULE: u32 = 3;
    pub const MEMORY_MAP: u32 = 6;
    pub const ACPI_OLD: u32 = 14;
    pub const ACPI_NEW: u32 = 15;
}

/// Reads the boot information at `address`.
///
/// # Safety
/// See [`super::read`].
pub unsafe fn read(address: u32, info: &mut LoaderInfo) -> Result<(), LoaderError> {
    // SAFETY: the protocol puts the structure there; it begins with its size.
    let bytes = unsafe {
        let size = u32_at(physical_bytes(u64::from(address), 8), 0);
        let size = size.ok_or(LoaderError::BadStructure)? as usize;
        if size > MAX_SIZE {
            return Err(LoaderError::BadStructure);
        }
        physical_bytes(u64::from(address), size)
    };
    parse(bytes, u64::from(address), info).ok_or(LoaderError::BadStructure)
}

/// `None`: a tag does not fit.
fn parse(bytes: &[u8], address: u64, info: &mut LoaderInfo) -> Option<()> {
    let mut at = 8;
    loop {
        let kind = u32_at(bytes, at)?;
        let size = u32_at(bytes, at + 4)? as usize;
        if size < 8 {
            return None;
        }
        let content = bytes.get(at + 8..at.checked_add(size)?)?;
        match kind {
            tag::END => return Some(()),
            tag::COMMAND_LINE => info.set_options(content),
            tag::MODULE if info.archive.end == 0 => {
                let (start, end) = (u32_at(content, 0)?, u32_at(content, 4)?);
                info.archive = PhysicalRange {
                    start: start.into(),
                    end: end.into(),
                };
            }
            tag::MEMORY_MAP => read_memory_map(content, info)?,
            // The tag holds a copy of the root pointer; the newer one wins.
            tag::ACPI_NEW => info.rsdp = Some(address + at as u64 + 8),
            tag::ACPI_OLD => {
                info.rsdp.get_or_insert(address + at as u64 + 8);
            }
            _ => (),
        }
        at += size.next_multiple_of(8);
    }
}

fn read_memory_map(content: &[u8], info: &mut LoaderInfo) -> Option<()> {
    let entry_size = u32_at(content, 0)? as usize;
    if entry_size < 24 {
        return None;
    }
    for entry in content.get(8..)?.chunks_exact(entry_size) {
        let start = u64_at(entry, 0)?;
        if u32_at(entry, 16)? == RAM {
            info.ram.add(PhysicalRange {
                start,
                end: start.saturating_add(u64_at(entry, 8)?),
            });
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: u32, content: &[u8]) -> Vec<u8> {
        let mut tag = kind.to_le_bytes().to_vec();
        tag.extend((8 + content.len() as u32).to_le_bytes());
        tag.extend(content);
        tag.resize(tag.len().next_multiple_of(8), 0);
        tag
    }

    fn sample() -> Vec<u8> {
        let mut map = vec![24, 0, 0, 0, 0, 0, 0, 0];
        for (start, length, kind) in [(0u64, 0x9fc00u64, 1u64), (0xf0000, 0x10000, 2)] {
            map.extend(
                [start, length, kind]
                    .iter()
                    .flat_map(|word| word.to_le_bytes()),
            );
        }
        let mut module = [0x0080_0000u32, 0x0081_0000].map(u32::to_le_bytes).concat();
        module.extend(b"archive\0");
        let mut bytes = vec![0; 8];
        bytes.extend(tag(1, b"log=debug\0"));
        bytes.extend(tag(3, &module));
        bytes.extend(tag(6, &map));
        bytes.extend(tag(14, b"RSD PTR "));
        bytes.extend(tag(0, b""));
        bytes
    }

    #[test]
    fn tags_are_read() {
        let mut info = LoaderInfo::new();
        parse(&sample(), 0x1000, &mut info).expect("well formed");
        assert_eq!(info.options(), "log=debug");
        assert_eq!(
            info.archive,
            PhysicalRange {
                start: 0x0080_0000,
                end: 0x0081_0000
            }
        );
        assert_eq!(
            info.ram.as_slice(),
            [PhysicalRange {
                start: 0,
                end: 0x9fc00
            }]
        );
        assert!(info.rsdp.is_some());
    }

    #[test]
    fn truncation_is_noticed() {
        let sample = sample();
        for length in 0..sample.len() - 1 {
            assert!(parse(&sample[..length], 0, &mut LoaderInfo::new()).is_none());
        }
    }
}
