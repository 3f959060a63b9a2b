//! Registers, shared memory and lent buffers, on the host.

use std::boxed::Box;
use std::ptr::NonNull;
use std::vec;
use std::vec::Vec;

use abi::device::DmaMode;
use exchange::RRefSlice;
use proptest::prelude::*;

use crate::host::HostMemory;
use crate::transfer::pages_of;
use crate::{
    BouncePool, Closing, DmaRegion, FromDevice, InFlight, Lent, Loan, Mmio, Place, Platform,
    Registers, ToDevice,
};

struct Machine(HostMemory);

impl Platform for Machine {
    fn allocate(&self, pages: usize) -> Option<DmaRegion> {
        Some(self.0.allocate(pages))
    }

    fn physical_address(&self, byte: Place) -> Option<u64> {
        self.0.physical_address(byte)
    }

    fn open(&self, loan: &Loan) -> Option<u64> {
        self.0.open(loan)
    }

    fn bounces(&self) -> &BouncePool {
        self.0.bounces()
    }

    fn close(&self, loan: &Loan) -> Option<Closing> {
        self.0.close(loan)
    }

    fn settle(&self, closing: Closing) {
        self.0.settle(closing);
    }

    fn now_ns(&self) -> u64 {
        0
    }

    fn sleep_until(&self, _: u64) {}
}

fn registers() -> Mmio {
    let words = Box::leak(Box::new([0_u64; 4]));
    // SAFETY: leaked memory of that size; nobody else uses it.
    unsafe { Mmio::new(NonNull::from(words).cast(), 32) }
}

#[test]
fn registers_keep_their_width_and_place() {
    let registers = registers();
    registers.write32(4, 0x1122_3344);
    registers.write64(8, 0x5566_7788_99AA_BBCC);
    assert_eq!(registers.read64(0), 0x1122_3344_0000_0000);
    assert_eq!(registers.read32(8), 0x99AA_BBCC);
    assert_eq!(registers.read32(28), 0);
}

#[test]
#[should_panic(expected = "does not lie in a block")]
fn a_register_past_the_end_is_a_bug() {
    registers().read64(28);
}

#[test]
#[should_panic(expected = "does not lie in a block")]
fn a_misaligned_register_is_a_bug() {
    registers().read32(2);
}

#[test]
#[should_panic(expected = "does not lie in a block")]
fn an_offset_that_overflows_is_a_bug() {
    registers().write32(usize::MAX - 3, 0);
}

#[test]
fn bytes_go_through_shared_memory_at_any_length() {
    let region = HostMemory::default().allocate(2);
    assert_eq!(region.bytes(), 8192);
    for length in [0, 1, 7, 8, 9, 4096, 8192 - 16] {
        let data: Vec<u8> = (0..length).map(|index| index as u8 | 1).collect();
        region.clear();
        region.copy_from(16, &data);
        let mut back = vec![0; length];
        region.copy_to(16, &mut back);
        assert_eq!(back, data);
        assert_eq!(region.read(1), 0);
    }
}

#[test]
fn runs_end_at_pages_and_cover_everything() {
    for (start, bytes) in [
        (0x1000_usize, 4096),
        (0x1FFF, 2),
        (0x1004, 12_288),
        (0x2000, 0),
    ] {
        let mut next = start;
        for (run, length) in pages_of(core::ptr::without_provenance(start), bytes) {
            assert_eq!(run.addr(), next);
            assert!(length > 0 && run.addr() % 4096 + length <= 4096);
            next += length;
        }
        assert_eq!(next, start + bytes);
    }
}

#[test]
fn a_device_reaches_a_buffer_only_while_it_is_lent_and_in_its_direction() {
    let machine = Machine(HostMemory::default());
    let mut buffer = [1; 100];
    let address = buffer.as_ptr().addr() as u64;
    assert_eq!(machine.physical_address(Place(buffer.as_ptr())), None);
    let lent = Lent::<FromDevice>::to_fill(&machine, &mut buffer, 1).expect("no bounce");
    assert_eq!(lent.address(), address);
    assert!(machine.0.device_write(address + 10, &[7; 90]));
    assert!(
        !machine.0.device_write(address + 10, &[7; 91]),
        "past the end"
    );
    assert!(!machine.0.device_read(address, &mut [0]), "wrong direction");
    lent.finish(&machine);
    assert!(!machine.0.device_write(address, &[0]), "no longer lent");
    assert_eq!((buffer[9], buffer[10], buffer[99]), (1, 7, 7));
    let lent = Lent::<ToDevice>::to_read(&machine, &buffer, 1).expect("no bounce");
    let mut seen = [0; 2];
    assert!(machine.0.device_read(address + 9, &mut seen));
    assert_eq!(seen, [1, 7]);
    lent.finish(&machine);
    assert_eq!(machine.0.open_buffers(), 0);
}

#[test]
fn a_buffer_in_flight_comes_back_and_is_never_freed_meanwhile() {
    let machine = Machine(HostMemory::default());
    let buffer = RRefSlice::<u8>::zeroed(64);
    let flying = InFlight::<FromDevice>::begin(&machine, buffer).expect("no bounce");
    let address = flying.address();
    assert!(machine.0.device_write(address, &[9; 64]));
    let buffer = flying.finish(&machine);
    assert_eq!(*buffer, [9; 64]);
    let address = {
        let lost = InFlight::<FromDevice>::begin(&machine, buffer).expect("no bounce");
        lost.address()
    };
    assert!(
        machine.0.device_write(address, &[8; 64]),
        "leaked, not freed"
    );
}

/// The device reads or fills all of what it sees, and tries the bytes around it.
fn work(machine: &Machine, address: u64, length: usize, fill: Option<u8>) -> Vec<u8> {
    let mut seen = vec![0; length];
    match fill {
        Some(fill) => {
            assert!(machine.0.device_write(address, &vec![fill; length]));
        }
        None => assert!(machine.0.device_read(address, &mut seen)),
    }
    seen
}

fn mode() -> impl Strategy<Value = DmaMode> {
    prop_oneof![Just(DmaMode::Leased), Just(DmaMode::Strict)]
}

proptest! {
    #[test]
    fn behind_an_iommu_a_borrowed_buffer_is_copied_and_not_reached(
        mode in mode(),
        offset in prop_oneof![Just(0), Just(4096), 0..8192_usize],
        length in prop_oneof![Just(4096), Just(8192), 1..9000_usize],
        align in prop_oneof![Just(1), Just(4), Just(512)],
    ) {
        let machine = Machine(HostMemory::guarded(mode));
        let mut memory = RRefSlice::zeroed_pages(6);
        memory.fill(1);
        let (start, end) = (offset, offset + length);
        let base = memory.as_ptr().addr() as u64;
        let inside = base + start as u64;

        let lent = Lent::<FromDevice>::to_fill(&machine, &mut memory[start..end], align);
        let lent = lent.expect("there is memory");
        prop_assert!(lent.is_contiguous());
        let address = lent.address();
        prop_assert_eq!(lent.pages(&machine).next().flatten().map(|run| run.address), Some(address));
        prop_assert_eq!(address % align as u64, 0);
        // All but the last byte is filled, which stays what it was.
        work(&machine, address, length - 1, Some(7));
        prop_assert!(!machine.0.device_write(inside, &[9]));
        prop_assert!(!machine.0.device_read(inside, &mut [0]));
        lent.finish(&machine);
        prop_assert!(memory[start..end - 1].iter().all(|byte| *byte == 7));
        let others = memory[..start].iter().chain(&memory[end - 1..]);
        prop_assert!(others.copied().all(|byte| byte == 1));

        let lent = Lent::<ToDevice>::to_read(&machine, &memory[start..end], align);
        let lent = lent.expect("there is memory");
        let address = lent.address();
        prop_assert_eq!(lent.pages(&machine).next().flatten().map(|run| run.address), Some(address));
        let seen = work(&machine, address, length, None);
        prop_assert!(!machine.0.device_read(inside, &mut [0]));
        lent.finish(&machine);
        prop_assert_eq!(&seen[..], &memory[start..end]);
        prop_assert_eq!((machine.0.open_buffers(), machine.0.waits()), (0, 0));
    }

    #[test]
    fn behind_an_iommu_any_object_is_transferred_and_what_shares_its_pages_is_not_reached(
        mode in mode(),
        pages in prop::option::of(1..4_usize),
        length in 1..9000_usize,
    ) {
        let machine = Machine(HostMemory::guarded(mode));
        let odd = || RRefSlice::from_fn(length, |_| 1);
        let buffer = pages.map_or_else(odd, RRefSlice::zeroed_pages);
        let (start, length) = (buffer.as_ptr(), buffer.len());
        let is_whole = length.is_multiple_of(4096) && start.addr().is_multiple_of(4096);
        let flight = InFlight::<FromDevice>::begin(&machine, buffer).expect("there is memory");
        prop_assert_eq!(flight.address() == start.addr() as u64, is_whole);
        let address = flight.address();
        work(&machine, address, length, Some(7));
        let returned = flight.end(&machine);
        // What was closed in place is reached until it is settled, and not any more then.
        let is_waited_for = mode == DmaMode::Strict && is_whole;
        prop_assert_eq!(returned.is_settled(), !is_waited_for);
        if is_waited_for {
            prop_assert!(machine.0.device_write(address, &[8]));
        }
        let buffer = returned.take(&machine);
        prop_assert_eq!(buffer[0], if is_waited_for { 8 } else { 7 });
        prop_assert!(buffer[1..].iter().all(|byte| *byte == 7));
        prop_assert_eq!(machine.0.waits(), usize::from(is_waited_for));
        prop_assert!(!is_whole || !machine.0.device_write(address, &[9]));
    }
}

#[test]
fn one_wait_is_for_all_that_was_ended_before_it() {
    let machine = Machine(HostMemory::guarded(DmaMode::Strict));
    let begin = |_| {
        let buffer = RRefSlice::zeroed_pages(1);
        InFlight::<FromDevice>::begin(&machine, buffer).expect("no bounce")
    };
    let flights: Vec<_> = (0..32).map(begin).collect();
    let returned: Vec<_> = flights.into_iter().map(|one| one.end(&machine)).collect();
    let buffers: Vec<_> = returned.into_iter().map(|one| one.take(&machine)).collect();
    assert_eq!((buffers.len(), machine.0.waits()), (32, 1));
    // One by one, each is waited for.
    let flights: Vec<_> = (0..4).map(begin).collect();
    for flight in flights {
        drop(flight.finish(&machine));
    }
    assert_eq!(machine.0.waits(), 5);
}

#[test]
fn bounce_buffers_are_used_again_and_bounded() {
    let machine = Machine(HostMemory::guarded(DmaMode::Leased));
    let begin = |bytes| InFlight::<ToDevice>::begin(&machine, RRefSlice::from_fn(bytes, |_| 5));
    let first = begin(100).expect("there is room");
    let address = first.address();
    assert_eq!(*first.finish(&machine), [5; 100]);
    let again = begin(4000).expect("there is room");
    assert_eq!(again.address(), address);
    // 8 MiB in all, of which a page is in use.
    let large: Vec<_> = (0..3)
        .map(|_| begin((2 << 20) - 1).expect("there is room"))
        .collect();
    let refused = begin((2 << 20) - 1).expect_err("there is no room");
    assert_eq!(refused.0.len(), (2 << 20) - 1, "the buffer comes back");
    let is_whole = |buffer: RRefSlice<u8>| buffer.iter().all(|byte| *byte == 5);
    for flight in large {
        assert!(is_whole(flight.finish(&machine)));
    }
    assert!(is_whole(again.finish(&machine)));
    assert!(begin((2 << 20) - 1).is_ok());
}

#[test]
fn whole_pages_of_their_own_are_lent_in_place() {
    let machine = Machine(HostMemory::guarded(DmaMode::Leased));
    let buffer = RRefSlice::zeroed_pages(3);
    assert_eq!(buffer.len(), 3 * 4096);
    let address = buffer.as_ptr();
    let flight = InFlight::<FromDevice>::begin(&machine, buffer).expect("no bounce");
    assert_eq!(flight.address(), address.addr() as u64);
    assert_eq!(*flight.finish(&machine), [0; 3 * 4096]);
}

#[test]
fn nothing_shows_an_address() {
    let machine = Machine(HostMemory::default());
    let region = machine.allocate(1).expect("there is memory");
    let mut bytes = [1_u8; 16];
    let shown = [
        std::format!("{region:?}"),
        std::format!("{:?}", registers()),
        std::format!(
            "{:?}",
            Lent::to_fill(&machine, &mut bytes, 1).expect("no bounce")
        ),
        std::format!(
            "{:?}",
            InFlight::<ToDevice>::begin(&machine, RRefSlice::zeroed(8)).expect("no bounce")
        ),
    ];
    let expected = [
        "DmaRegion(4096 bytes)",
        "Mmio(32 bytes)",
        "Lent(16 bytes, FromDevice)",
        "InFlight(8 bytes, ToDevice)",
    ];
    assert_eq!(shown, expected);
}
