//! PCI against a fake configuration space.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use abi::device::PciAddress;
use abi::status::ServiceError;

use super::registers as reg;
use super::{Bus, ClaimError, ConfigSpace, InterruptSource};

/// Address of the function most tests use: bus 0, device 3, function 0.
const DISK: u32 = 3 << 3;
const POWER: u16 = 0x40;
const MSIX: u16 = 0x50;
const EXPRESS: u16 = 0x60;
const MSI: u16 = 0x80;

/// A configuration space: registers with masks of writable bits.
#[derive(Default)]
struct Fake {
    registers: RefCell<BTreeMap<(u32, u16), u32>>,
    writable: RefCell<BTreeMap<(u32, u16), u32>>,
    now_ns: Cell<u64>,
    writes: RefCell<Vec<(u16, u32)>>,
}

impl Fake {
    fn set(&self, address: u32, register: u16, value: u32, writable: u32) {
        self.registers
            .borrow_mut()
            .insert((address, register), value);
        self.writable
            .borrow_mut()
            .insert((address, register), writable);
    }

    fn get(&self, address: u32, register: u16) -> u32 {
        *self
            .registers
            .borrow()
            .get(&(address, register))
            .unwrap_or(&0)
    }

    fn function(&self, address: u32, header: u32) {
        self.set(address, reg::ID, 0x0010_1B36, 0);
        self.set(
            address,
            reg::COMMAND_STATUS,
            reg::STATUS_CAPABILITIES,
            0xFFFF,
        );
        self.set(address, reg::CLASS_REVISION, 0x0108_0202, 0);
        self.set(address, reg::HEADER, header, 0);
        self.set(address, reg::INTERRUPT, 0x010B, 0xFF);
    }

    /// A disk with every capability; `flr` and `soft_reset` say how it resets.
    fn disk(flr: bool, soft_reset: bool) -> Self {
        let fake = Self::default();
        fake.function(DISK, 0);
        fake.set(DISK, reg::BAR, 0xFEB0_0004, 0xFFFF_C000);
        fake.set(DISK, reg::BAR + 4, 0x1, 0xFFFF_FFFF);
        fake.set(DISK, reg::BAR + 8, 0xC001, 0xFFE0);
        fake.set(DISK, reg::BAR + 12, 0xFEBF_0000, 0xFFFF_F000);
        fake.set(DISK, reg::CAPABILITIES, u32::from(POWER), 0);
        let power = u32::from(reg::CAPABILITY_POWER);
        fake.set(DISK, POWER, power | u32::from(MSIX) << 8, 0);
        let keeps = if soft_reset {
            0
        } else {
            reg::POWER_NO_SOFT_RESET
        };
        fake.set(DISK, POWER + 4, keeps, reg::POWER_STATE);
        let msix = u32::from(reg::CAPABILITY_MSIX);
        fake.set(
            DISK,
            MSIX,
            msix | u32::from(EXPRESS) << 8 | 0x0040_0000,
            0xC000_0000,
        );
        fake.set(DISK, MSIX + 4, 0x2000, 0);
        fake.set(DISK, MSIX + 8, 0x3000, 0);
        let express = u32::from(reg::CAPABILITY_EXPRESS);
        fake.set(DISK, EXPRESS, express | u32::from(MSI) << 8, 0);
        let able = if flr { reg::EXPRESS_FLR_CAPABLE } else { 0 };
        fake.set(DISK, EXPRESS + 4, able, 0);
        fake.set(DISK, EXPRESS + 8, 0, 0xFFFF);
        // The last capability points back to the first: a ring.
        let msi = u32::from(reg::CAPABILITY_MSI) | reg::MSI_64_BIT;
        fake.set(DISK, MSI, msi | u32::from(POWER) << 8, 0x0071_0000);
        for register in [MSI + 4, MSI + 8, MSI + 12] {
            fake.set(DISK, register, 0, u32::MAX);
        }
        fake
    }

    fn forget_bars(&self) {
        for index in 0..6 {
            let key = (DISK, reg::BAR + 4 * index);
            if let Some(value) = self.registers.borrow_mut().get_mut(&key) {
                *value &= !self.writable.borrow().get(&key).unwrap_or(&0);
            }
        }
    }
}

impl ConfigSpace for &Fake {
    fn read(&self, address: PciAddress, register: u16) -> u32 {
        // Each access takes a while, so that waits end.
        self.now_ns.set(self.now_ns.get() + 1_000);
        if !self.registers.borrow().contains_key(&(address.0, reg::ID)) {
            return u32::MAX;
        }
        self.get(address.0, register)
    }

    fn write(&self, address: PciAddress, register: u16, value: u32) {
        let key = (address.0, register);
        self.writes.borrow_mut().push((register, value));
        let writable = *self.writable.borrow().get(&key).unwrap_or(&0);
        let old = self.get(address.0, register);
        let new = old & !writable | value & writable;
        self.registers.borrow_mut().insert(key, new);
        if register == EXPRESS + 8 && value & reg::EXPRESS_INITIATE_FLR != 0 {
            self.forget_bars();
        }
    }

    fn now_ns(&self) -> u64 {
        self.now_ns.set(self.now_ns.get() + 1_000);
        self.now_ns.get()
    }
}

#[test]
fn base_address_registers_are_sized_and_left_as_they_were() {
    let fake = Fake::disk(true, true);
    let bus = Bus::new(&fake, 0);
    let info = bus.list(0).expect("one function");
    assert_eq!(info.class, 0x01_0802);
    assert_eq!(
        (info.bars[0].address, info.bars[0].size),
        (0x1_FEB0_0000, 0x4000)
    );
    assert_eq!(info.bars[1].size, 0, "upper half of a 64-bit register");
    assert_eq!((info.bars[2].address, info.bars[2].size), (0xC000, 0x20));
    assert_eq!(info.bars[2].is_port, 1);
    assert_eq!(
        (info.bars[3].address, info.bars[3].size),
        (0xFEBF_0000, 0x1000)
    );
    assert_eq!(info.msix_vectors, 65);
    assert_eq!(fake.get(DISK, reg::BAR), 0xFEB0_0004);
    assert_eq!(fake.get(DISK, reg::BAR + 12), 0xFEBF_0000);
    assert!(bus.list(1).is_none());
}

#[test]
fn functions_of_multifunction_devices_and_behind_bridges_are_found() {
    let fake = Fake::default();
    fake.function(1 << 3, 0x0080_0000);
    fake.function(1 << 3 | 5, 0);
    fake.function(2 << 3, 0);
    fake.function(2 << 3 | 1, 0); // not announced as multifunction: invisible
    fake.function(4 << 3, 0x0001_0000); // a bridge
    fake.function(2 << 8, 0);
    let bus = Bus::new(&fake, 2);
    let found: Vec<u32> = (0..)
        .map_while(|i| bus.list(i))
        .map(|info| info.address)
        .collect();
    assert_eq!(found, vec![1 << 3, 1 << 3 | 5, 2 << 3, 2 << 8]);
}

#[test]
fn one_driver_at_a_time() {
    let fake = Fake::disk(true, true);
    let mut bus = Bus::new(&fake, 0);
    assert_eq!(bus.claim(DISK, 7), Ok(()));
    assert_eq!(bus.claim(DISK, 7), Ok(()));
    assert_eq!(
        bus.claim(DISK, 8),
        Err(ClaimError::Service(ServiceError::Busy))
    );
    assert_eq!(
        bus.claim(99, 8),
        Err(ClaimError::Service(ServiceError::NotFound))
    );
    assert_eq!(bus.read_register(DISK, 8, 0), Err(ServiceError::Invalid));
    assert_eq!(bus.read_register(DISK, 7, 2), Err(ServiceError::Invalid));
    assert_eq!(bus.read_register(DISK, 7, 0), Ok(0x0010_1B36));
    assert_eq!(bus.bar(DISK, 7, 0).expect("a BAR").size, 0x4000);
    assert!(matches!(bus.bar(DISK, 7, 1), Err(ServiceError::NotFound)));
    assert!(matches!(bus.bar(DISK, 7, 6), Err(ServiceError::NotFound)));
}

#[test]
fn death_ends_bus_mastering_first_and_the_reset_restores_registers() {
    let fake = Fake::disk(true, true);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    let on = reg::COMMAND_MASTER | reg::COMMAND_MEMORY;
    assert_eq!(fake.get(DISK, reg::COMMAND_STATUS) & on, on);
    bus.bind_for_test(7, &mut |_, _| {});
    fake.writes.borrow_mut().clear();
    assert_eq!(bus.release_all(8, &mut |_| false), 0);
    assert_eq!(bus.release_all(7, &mut |_| false), 1);
    let first = fake.writes.borrow()[0];
    assert_eq!(first.0, reg::COMMAND_STATUS, "bus mastering ends first");
    assert_eq!(first.1 & reg::COMMAND_MASTER, 0);
    assert_eq!(fake.get(DISK, MSIX) & reg::MSIX_ENABLE, 0);
    assert_ne!(fake.get(DISK, MSIX) & reg::MSIX_MASK_ALL, 0);
    assert_eq!(fake.get(DISK, reg::BAR + 12), 0, "the reset cleared it");
    let Err(ClaimError::Resetting { until_ns }) = bus.claim(DISK, 8) else {
        panic!("claimed during its reset");
    };
    fake.now_ns.set(until_ns);
    assert_eq!(bus.claim(DISK, 8), Ok(()));
    assert_eq!(fake.get(DISK, reg::BAR), 0xFEB0_0004);
    assert_eq!(fake.get(DISK, reg::BAR + 12), 0xFEBF_0000);
}

#[test]
fn a_function_that_stops_by_itself_is_silent_and_free_at_once() {
    let fake = Fake::disk(true, true);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    let mut stopped = Vec::new();
    let released = bus.release_all(7, &mut |function| {
        let is_master = fake.get(DISK, reg::COMMAND_STATUS) & reg::COMMAND_MASTER != 0;
        stopped.push((function, is_master));
        true
    });
    assert_eq!(released, 1);
    assert_eq!(stopped, [(DISK, false)], "bus mastering ends first");
    assert_ne!(fake.get(DISK, reg::BAR + 12), 0, "no reset cleared it");
    assert_eq!(bus.claim(DISK, 8), Ok(()));
}

#[test]
fn without_function_level_reset_power_is_cycled() {
    let fake = Fake::disk(false, true);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    bus.release_all(7, &mut |_| false);
    assert_eq!(fake.get(DISK, POWER + 4), reg::POWER_D3HOT);
    let mut waits = 0;
    while let Err(error) = bus.claim(DISK, 8) {
        let ClaimError::Resetting { until_ns } = error else {
            panic!("{error:?}");
        };
        fake.now_ns.set(until_ns);
        waits += 1;
    }
    assert_eq!(waits, 2, "one wait in D3hot, one on the way to D0");
    assert_eq!(fake.get(DISK, POWER + 4), reg::POWER_D0);
}

#[test]
fn a_function_that_cannot_be_reset_is_silent_and_free_at_once() {
    let fake = Fake::disk(false, false);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    bus.release_all(7, &mut |_| false);
    assert_eq!(fake.get(DISK, reg::COMMAND_STATUS) & reg::COMMAND_MASTER, 0);
    assert_eq!(bus.claim(DISK, 8), Ok(()));
}

#[test]
fn quiescing_waits_for_pending_transactions_but_not_for_ever() {
    let fake = Fake::disk(true, true);
    fake.set(DISK, EXPRESS + 8, reg::EXPRESS_TRANSACTIONS_PENDING, 0xFFFF);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    let before_ns = fake.now_ns.get();
    bus.release_all(7, &mut |_| false);
    assert!(fake.now_ns.get() - before_ns > 40_000_000);
}

#[test]
fn msix_vectors_are_masked_first_and_written_whole() {
    let fake = Fake::disk(true, true);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    let expected = InterruptSource::Msix {
        table: 0x1_FEB0_2000,
        bytes: 65 * 16,
    };
    assert_eq!(bus.interrupt_source(DISK, 7), Ok(expected));
    let mut table = vec![0xAAAA_AAAA_u32; 65 * 4];
    bus.bind_for_test(7, &mut |offset, value| table[offset / 4] = value);
    assert_eq!(table[8..12], [0xFEE0_1000, 0x1, 0x33, 0], "vector 2");
    assert_eq!(table[3], 1, "others masked");
    assert_eq!(table[64 * 4 + 3], 1);
    assert_eq!(fake.get(DISK, MSIX) >> 30, 2, "enabled, not masked");
}

#[test]
fn other_interrupts_when_there_is_no_msix() {
    let fake = Fake::disk(true, true);
    fake.set(
        DISK,
        POWER,
        u32::from(reg::CAPABILITY_POWER) | u32::from(MSI) << 8,
        0,
    );
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    assert_eq!(bus.interrupt_source(DISK, 7), Ok(InterruptSource::Msi));
    bus.forgo_messages();
    assert_eq!(bus.interrupt_source(DISK, 7), Ok(InterruptSource::Line(11)));
    let (space, function) = bus.owned(DISK, 7).expect("ours");
    function
        .bind_msi(space, (0xFEE0_1000, 0x41))
        .expect("has MSI");
    assert_eq!(fake.get(DISK, MSI + 4), 0xFEE0_1000);
    assert_eq!(fake.get(DISK, MSI + 12), 0x41);
    assert_ne!(fake.get(DISK, MSI) & reg::MSI_ENABLE, 0);

    let fake = Fake::disk(true, true);
    fake.set(DISK, reg::CAPABILITIES, 0, 0);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    assert_eq!(bus.interrupt_source(DISK, 7), Ok(InterruptSource::Line(11)));
    assert_ne!(
        fake.get(DISK, reg::COMMAND_STATUS) & reg::COMMAND_INTX_OFF,
        0
    );
    let (space, function) = bus.owned(DISK, 7).expect("ours");
    function.enable_line(space);
    assert_eq!(
        fake.get(DISK, reg::COMMAND_STATUS) & reg::COMMAND_INTX_OFF,
        0
    );
}

#[test]
fn unassigned_registers_get_addresses_in_the_window() {
    let fake = Fake::disk(true, true);
    fake.set(DISK, reg::BAR, 0x4, 0xFFFF_C000);
    fake.set(DISK, reg::BAR + 4, 0, 0xFFFF_FFFF);
    fake.set(DISK, reg::BAR + 12, 0, 0xFFFF_F000);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    assert!(matches!(bus.bar(DISK, 7, 0), Err(ServiceError::NotFound)));
    bus.assign(0xC000_1000..0xC000_9000);
    assert_eq!(fake.get(DISK, reg::BAR), 0xC000_4004);
    assert_eq!(fake.get(DISK, reg::BAR + 12), 0xC000_8000);
    assert_eq!(bus.bar(DISK, 7, 0).expect("assigned").address, 0xC000_4000);
}

impl Bus<&Fake> {
    fn bind_for_test(&mut self, owner: u64, table: &mut dyn FnMut(usize, u32)) {
        let (space, function) = self.owned(DISK, owner).expect("claimed");
        let message = (0x1_FEE0_1000, 0x33);
        function.bind_msix(space, 2, message, table).expect("bound");
        let bad = function.bind_msix(space, 65, message, table);
        assert_eq!(bad, Err(ServiceError::Invalid));
    }
}

#[test]
fn the_pages_of_message_table_and_pending_bits_are_closed() {
    let fake = Fake::disk(true, true);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    let (bar, closed) = bus.registers(DISK, 7, 0).expect("a memory BAR");
    let at = |offset| bar.address + offset;
    assert_eq!(closed, [at(0x2000)..at(0x3000), at(0x3000)..at(0x4000)]);
    // Bits that share a page with other registers close the whole page.
    fake.set(DISK, MSIX + 4, 0x1ff8, 0);
    fake.set(DISK, MSIX + 8, 0x0010, 0);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    let (bar, closed) = bus.registers(DISK, 7, 0).expect("a memory BAR");
    let at = |offset| bar.address + offset;
    assert_eq!(closed, [at(0x1000)..at(0x3000), at(0)..at(0x1000)]);
}

#[test]
fn registers_that_are_not_the_drivers_alone_are_refused() {
    let fake = Fake::disk(true, true);
    // Another function whose registers begin inside the disk's, at a byte of its page.
    fake.function(DISK + 8, 0);
    fake.set(DISK + 8, reg::BAR, 0xFEBF_0800, 0xFFFF_F800);
    let mut bus = Bus::new(&fake, 0);
    bus.claim(DISK, 7).expect("free");
    bus.claim(DISK + 8, 8).expect("free");
    let refused = Err(ServiceError::Invalid);
    assert_eq!(bus.registers(DISK, 7, 3).map(drop), refused);
    assert_eq!(bus.registers(DISK + 8, 8, 0).map(drop), refused);
    // Neither another's, nor ports, nor what is not there.
    assert_eq!(bus.registers(DISK, 8, 0).map(drop), refused);
    assert_eq!(bus.registers(DISK, 7, 2).map(drop), refused);
    assert_eq!(
        bus.registers(DISK, 7, 5).map(drop),
        Err(ServiceError::NotFound)
    );
    assert_eq!(
        bus.registers(DISK, 7, 7).map(drop),
        Err(ServiceError::NotFound)
    );
    assert!(bus.registers(DISK, 7, 0).is_ok());
}
