//! Constants out of AML byte code (ACPI 6.5, chapter 20), found by name.
//!
//! No interpreter: each function looks for one object in the only form that
//! firmware writes it in, and finds nothing where it is computed.

use kernel_core::machine::PhysicalRange;

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};

/// Encodings; section 20.2.
mod op {
    pub const NAME: u8 = 0x08;
    pub const BYTE: u8 = 0x0a;
    pub const WORD: u8 = 0x0b;
    pub const DOUBLE_WORD: u8 = 0x0c;
    pub const QUAD_WORD: u8 = 0x0e;
    pub const PACKAGE: u8 = 0x12;
    pub const METHOD: u8 = 0x14;
    pub const RETURN: u8 = 0xa4;
}

/// Smallest window worth the name; VGA's is below it.
const MIN_WINDOW: u64 = 1 << 20;

/// The sleep types of `Name (\_S5, Package {type a, type b, ...})`; section
/// 7.4.2.6.
pub fn find_soft_off(dsdt: &[u8]) -> Option<[u8; 2]> {
    let at = find(dsdt, b"_S5_", |at| dsdt.get(at) == Some(&op::PACKAGE))?;
    // The package's length, then the number of elements.
    let first = at + 1 + package_length_size(dsdt, at + 1)? + 1;
    let (first_type, second) = constant(dsdt, first)?;
    let (second_type, _) = constant(dsdt, second)?;
    Some([first_type as u8, second_type as u8])
}

/// The address in `Name (_CBA, address)` or a method that returns it: memory-
/// mapped PCI configuration space; PCI firmware specification 3.3, section 4.1.3.
pub fn find_configuration_base(dsdt: &[u8]) -> Option<u64> {
    let is_value = |at| is_wide(dsdt, at);
    if let Some(at) = find(dsdt, b"_CBA", is_value) {
        return Some(constant(dsdt, at)?.0);
    }
    // Method, length, name, flags, return, value.
    let is_method = |at: usize| dsdt.get(at + 1) == Some(&op::RETURN) && is_value(at + 2);
    let at = positions(dsdt, b"_CBA").find(|&at| {
        let is_named = (2..=5).any(|before| {
            at.checked_sub(before).is_some_and(|start| {
                dsdt[start] == op::METHOD
                    && package_length_size(dsdt, start + 1) == Some(before - 1)
            })
        });
        is_named && is_method(at + 4)
    })?;
    Some(constant(dsdt, at + 6)?.0)
}

/// The first window below 4 GiB through which a PCI root passes memory
/// accesses: a double-word address space descriptor, section 6.4.3.5.2.
pub fn find_memory_window(dsdt: &[u8]) -> Option<PhysicalRange> {
    const TAG: &[u8; 3] = &[0x87, 23, 0];
    const MEMORY: u8 = 0;
    positions(dsdt, TAG).find_map(|at| {
        let (start, last) = (u32_at(dsdt, at + 10)?, u32_at(dsdt, at + 14)?);
        let (offset, length) = (u32_at(dsdt, at + 18)?, u32_at(dsdt, at + 22)?);
        let (start, end) = (u64::from(start), u64::from(last) + 1);
        let is_plain = u8_at(dsdt, at + 3)? == MEMORY && offset == 0;
        let is_window = end - start.min(end) == u64::from(length) && end >= start + MIN_WINDOW;
        (is_plain && is_window).then_some(PhysicalRange { start, end })
    })
}

/// What follows `Name (name, ...)` if it is as wanted.
fn find(dsdt: &[u8], name: &[u8; 4], is_wanted: impl Fn(usize) -> bool) -> Option<usize> {
    let is_named = |at: usize| {
        let before = |count| at.checked_sub(count).map(|before| dsdt[before]);
        before(1) == Some(op::NAME) || before(1) == Some(b'\\') && before(2) == Some(op::NAME)
    };
    positions(dsdt, name)
        .find(|&at| is_named(at) && is_wanted(at + 4))
        .map(|at| at + 4)
}

fn positions<'a>(dsdt: &'a [u8], pattern: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let places = dsdt.windows(pattern.len()).enumerate();
    places
        .filter(move |(_, bytes)| *bytes == pattern)
        .map(|(at, _)| at)
}

/// Bytes of a package length: the upper two bits of the first count the rest.
fn package_length_size(dsdt: &[u8], at: usize) -> Option<usize> {
    Some(1 + usize::from(u8_at(dsdt, at)? >> 6))
}

fn is_wide(dsdt: &[u8], at: usize) -> bool {
    matches!(dsdt.get(at), Some(&(op::DOUBLE_WORD | op::QUAD_WORD)))
}

/// An integer constant, and where the next object begins.
fn constant(dsdt: &[u8], at: usize) -> Option<(u64, usize)> {
    Some(match u8_at(dsdt, at)? {
        small @ 0..=1 => (small.into(), at + 1),
        op::BYTE => (u8_at(dsdt, at + 1)?.into(), at + 2),
        op::WORD => (u16_at(dsdt, at + 1)?.into(), at + 3),
        op::DOUBLE_WORD => (u32_at(dsdt, at + 1)?.into(), at + 5),
        op::QUAD_WORD => (u64_at(dsdt, at + 1)?, at + 9),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_types_in_every_width() {
        for (code, expected) in [
            (
                b"\x08_S5_\x12\x06\x04\x00\x01\x00\x00".as_slice(),
                Some([0, 1]),
            ),
            (
                b"xx\x08\\_S5_\x12\x40\x08\x02\x0a\x05\x0b\x07\x00",
                Some([5, 7]),
            ),
            (b"\x08_S5_\x12\x06\x04\x70\x01", None),
            (b"_S5_\x12\x06\x04\x00\x01", None),
            (b"\x08_S5_\x12\x06\x04\x00", None),
        ] {
            assert_eq!(find_soft_off(code), expected, "{code:x?}");
        }
    }

    #[test]
    fn configuration_base_as_value_or_method() {
        for (code, expected) in [
            (
                b"\x08_CBA\x0c\x00\x00\x00\xe0".as_slice(),
                Some(0xe000_0000),
            ),
            (
                b"\x14\x0c_CBA\x00\xa4\x0c\x00\x00\x00\xb0",
                Some(0xb000_0000),
            ),
            (
                b"\x14\x4c\x00_CBA\x08\xa4\x0e\x00\x00\x00\xb0\x01\x00\x00\x00",
                Some(0x1_b000_0000),
            ),
            (b"\x14\x0c_CBA\x00\x70\x0c\x00\x00\x00\xb0", None),
            (b"\x14\x0c_CBA\x00\xa4\x0c\x00", None),
            (b"_CBA", None),
        ] {
            assert_eq!(find_configuration_base(code), expected, "{code:x?}");
        }
    }

    #[test]
    fn the_window_is_large_plain_memory() {
        let descriptor = |kind: u8, words: [u32; 4]| {
            let mut bytes = vec![0x87, 23, 0, kind, 0x0c, 1, 0, 0, 0, 0];
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            bytes
        };
        let vga = descriptor(0, [0xa0000, 0xbffff, 0, 0x20000]);
        let io = descriptor(1, [0, 0xff_ffff, 0, 0x100_0000]);
        let window = descriptor(0, [0xc000_0000, 0xdfff_ffff, 0, 0x2000_0000]);
        let code = [vga, io, window.clone()].concat();
        let expected = PhysicalRange {
            start: 0xc000_0000,
            end: 0xe000_0000,
        };
        assert_eq!(find_memory_window(&code), Some(expected));
        assert_eq!(find_memory_window(&window[..20]), None);
        assert_eq!(find_memory_window(&descriptor(0, [9, 1, 0, 0])), None);
    }
}
