//! Tables made by hand, as they are and damaged.

use super::*;

const BASE: u64 = 0xf_0000;

fn seal(mut table: Vec<u8>, checksum_at: usize) -> Vec<u8> {
    table[checksum_at] = 0;
    let sum = table.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    table[checksum_at] = sum.wrapping_neg();
    table
}

fn table(signature: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut table = signature.to_vec();
    table.extend((HEADER_SIZE as u32 + content.len() as u32).to_le_bytes());
    table.resize(HEADER_SIZE, 0);
    table.extend(content);
    seal(table, 9)
}

/// Root pointer, RSDT, MADT, MCFG, FADT and DSDT one after the other.
fn firmware() -> Vec<u8> {
    let mut madt = vec![0, 0, 0xe0, 0xfe, 0, 0, 0, 0];
    madt.extend([0, 8, 0, 0, 1, 0, 0, 0]);
    madt.extend([0, 8, 1, 1, 0, 0, 0, 0]);
    madt.extend([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    madt.extend([2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0]);
    let mut mcfg = vec![0; 8];
    mcfg.extend(0xb000_0000u64.to_le_bytes());
    mcfg.extend([0, 0, 0, 255, 0, 0, 0, 0]);
    let mut dmar = vec![38, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    dmar.extend([1, 0, 24, 0, 0, 0, 0, 0]);
    dmar.extend([0xff; 16]);
    dmar.extend([0, 0, 16, 0, 1, 0, 0, 0]);
    dmar.extend(0xfed9_0000u64.to_le_bytes());
    let dsdt = b"\x10\x20_S5_\x08_S5_\x12\x07\x04\x0a\x05\x00\x00\x00";

    let mut bytes = vec![0; 64];
    let mut place = |table: Vec<u8>| {
        let address = BASE as u32 + bytes.len() as u32;
        bytes.extend(table);
        address
    };
    let dsdt = place(table(b"DSDT", dsdt));
    let mut fadt = vec![0; 276 - HEADER_SIZE];
    let mut field = |offset: usize, value: u32| {
        fadt[offset - HEADER_SIZE..][..4].copy_from_slice(&value.to_le_bytes());
    };
    field(40, dsdt);
    field(64, 0x604);
    field(76, 0x608);
    field(112, 1 << 10);
    field(116, 1);
    field(120, 0xcf9);
    field(128, 0x0f);
    let tables = [
        table(b"APIC", &madt),
        table(b"MCFG", &mcfg),
        table(b"FACP", &fadt),
        table(b"DMAR", &dmar),
    ];
    let entries: Vec<u8> = tables
        .into_iter()
        .flat_map(|t| place(t).to_le_bytes())
        .collect();
    let root = place(table(b"RSDT", &entries));
    let mut pointer = b"RSD PTR \0OEMID \0".to_vec();
    pointer.extend(root.to_le_bytes());
    let pointer = seal(pointer, 8);
    bytes[..pointer.len()].copy_from_slice(&pointer);
    bytes
}

fn read(bytes: Vec<u8>, rsdp: Option<u64>) -> Option<Platform> {
    let bytes: &'static [u8] = bytes.leak();
    Platform::read(rsdp, &|address, length| {
        bytes
            .get(address.checked_sub(BASE)? as usize..)?
            .get(..length)
    })
}

#[test]
fn tables_are_read() {
    for rsdp in [None, Some(BASE)] {
        let platform = read(firmware(), rsdp).expect("well formed");
        assert_eq!(platform.cpus.as_slice(), [0]);
        assert_eq!(platform.local_apic, 0xfee0_0000);
        assert_eq!(platform.io_apics.as_slice()[0].address, 0xfec0_0000);
        assert_eq!(platform.overrides.as_slice()[0].flags, 0x0d);
        assert_eq!(platform.configuration_spaces.as_slice()[0].last_bus, 255);
        let units = platform.remapping_units.as_slice();
        let units: Vec<_> = units.iter().map(|one| (one.address, one.segment)).collect();
        assert_eq!(units, [(0xfed9_0000, 0)]);
        let power = platform.power;
        assert_eq!(power.control_ports, [0x604, 0]);
        assert_eq!(power.soft_off, Some([5, 0]));
        assert_eq!(power.timer, Some((0x608, false)));
        assert_eq!(power.reset, Some((Register::Port(0xcf9), 0x0f)));
        assert_eq!(power.sleep_control, None);
    }
}

#[test]
fn damage_is_survived() {
    let good = firmware();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        // Checksums notice; that it returns is what counts.
        let _ = read(bad, Some(BASE));
        let _ = read(good[..at].to_vec(), Some(BASE));
    }
    assert!(read(good, Some(BASE + 16)).is_none());
}

#[test]
fn unsealed_nonsense_is_survived() {
    let mut platform = Platform::default();
    for fill in 0..=255 {
        let table = [fill; 300];
        let _ = platform.read_madt(&table);
        let _ = platform.read_fadt(&table, &|_, _| None);
        let _ = platform.read_dmar(&table);
        let _ = aml::find_soft_off(&[b"\x08_S5_\x12".as_slice(), &[fill; 3]].concat());
    }
}

#[test]
fn io_apics_are_found_behind_iommus() {
    let scope = |kind: u8, length: u8, id: u8, rest: &[u8]| {
        let mut scope = vec![kind, length, 0, 0, id];
        scope.extend(rest);
        scope
    };
    let good = scope(3, 8, 2, &[0xff, 0x1e, 7]);
    let found = Requester {
        io_apic: 2,
        source: 0xfff7,
    };
    let read = |scopes: &[u8]| {
        let mut platform = Platform::default();
        let mut table = vec![0; HEADER_SIZE + 12];
        table[HEADER_SIZE + 1] = 1;
        table.extend([0, 0]);
        table.extend((16 + scopes.len() as u16).to_le_bytes());
        table.extend([0; 4]);
        table.extend(0xfed9_0000u64.to_le_bytes());
        table.extend(scopes);
        let _ = platform.read_dmar(&table);
        assert!(platform.remaps_interrupts);
        assert_eq!(platform.remapping_units.as_slice().len(), 1);
        platform
    };
    assert_eq!(read(&good).requesters.as_slice(), [found]);
    assert_eq!(read(&good).requester_of(2), Some(0xfff7));
    assert_eq!(read(&good).requester_of(0), None);
    let bad = [
        // Another kind, one behind a bridge, and such as cannot be.
        scope(4, 8, 2, &[0xff, 0x1e, 7]),
        scope(3, 10, 2, &[0, 0x1c, 0, 0x1e, 7]),
        scope(3, 6, 2, &[0xff]),
        scope(3, 8, 2, &[0xff, 32, 0]),
        scope(3, 8, 2, &[0xff, 0, 8]),
        // It does not go on, or beyond the end.
        scope(3, 0, 2, &[0xff, 0x1e, 7]),
        scope(3, 1, 2, &[0xff, 0x1e, 7]),
        scope(3, 9, 2, &[0xff, 0x1e, 7]),
        vec![3],
    ];
    for bad in bad {
        assert_eq!(read(&bad).requesters.as_slice(), [], "{bad:x?}");
        // What comes before is kept, however it goes on.
        let both = [good.clone(), bad].concat();
        assert_eq!(read(&both).requesters.as_slice(), [found]);
    }
    let many = good.repeat(1000);
    assert_eq!(read(&many).requesters.as_slice().len(), MAX_ENTRIES);
}

#[test]
fn a_damaged_dmar_tells_of_nothing_that_is_not_in_it() {
    let mut chance = chance::Chance::new(4);
    for _ in 0..20_000 {
        let mut table = vec![0; HEADER_SIZE + 12];
        for _ in 0..1 + chance.below(3) {
            let scopes = chance.below(4) as usize;
            table.extend([0, 0, 16 + 8 * scopes as u8, 0, 0, 0, 0, 0]);
            table.extend(0xfed9_0000u64.to_le_bytes());
            table.extend([3, 8, 0, 0, 1, 0xff, 0, 0].repeat(scopes));
        }
        for _ in 0..chance.below(6) {
            let at = chance.below(table.len() as u64) as usize;
            table[at] = chance.number() as u8;
        }
        table.truncate(table.len() - chance.below(12) as usize);
        let mut platform = Platform::default();
        let _ = platform.read_dmar(&table);
        for one in platform.requesters.as_slice() {
            let [function, bus] = one.source.to_le_bytes();
            let path = [one.io_apic, bus, function >> 3, function & 7];
            assert!(table.windows(4).any(|bytes| bytes == path));
        }
        for one in platform.remapping_units.as_slice() {
            let address = one.address.to_le_bytes();
            assert!(table.windows(8).any(|bytes| bytes == address));
        }
    }
}

#[test]
fn iommus_that_cannot_be_are_left_out() {
    let unit = |length: u16, address: u64| {
        let mut entry = [0; 16];
        entry[2..4].copy_from_slice(&length.to_le_bytes());
        entry[8..].copy_from_slice(&address.to_le_bytes());
        entry
    };
    let good = unit(16, 0xfed9_0000);
    let cases = [
        (vec![good, unit(16, 0xfed9_1000)], 2),
        // Registers nowhere, and registers that begin inside of a page.
        (vec![unit(16, 0)], 0),
        (vec![unit(16, 0xfed9_0010)], 0),
        // An entry that ends before its fields or after the table: the units before
        // it are kept.
        (vec![good, unit(0, 0xfed9_1000)], 1),
        (vec![good, unit(12, 0xfed9_1000)], 1),
        (vec![good, unit(17, 0xfed9_1000)], 1),
    ];
    for (entries, units) in cases {
        let mut platform = Platform::default();
        let mut table = vec![0; HEADER_SIZE + 12];
        table.extend(entries.concat());
        let _ = platform.read_dmar(&table);
        let found = platform.remapping_units.as_slice().len();
        assert_eq!(found, units, "{entries:x?}");
    }
}
