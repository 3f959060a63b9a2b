//! Registers, shared memory and lent buffers, on the host.

use std::boxed::Box;
use std::ptr::NonNull;
use std::vec;
use std::vec::Vec;

use exchange::RRefSlice;

use crate::host::HostMemory;
use crate::{
    DmaRegion, FromDevice, InFlight, Lent, Loan, Mmio, Platform, Registers, ToDevice, pages_of,
};

struct Machine(HostMemory);

impl Platform for Machine {
    fn allocate(&self, pages: usize) -> Option<DmaRegion> {
        Some(self.0.allocate(pages))
    }

    fn physical_address(&self, byte: *const u8) -> Option<u64> {
        self.0.physical_address(byte)
    }

    fn open(&self, loan: &Loan) {
        self.0.open(loan.start(), loan.bytes(), loan.direction());
    }

    fn close(&self, loan: &Loan) {
        self.0.close(loan.start(), loan.bytes(), loan.direction());
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
        for run in pages_of(core::ptr::without_provenance(start), bytes) {
            assert_eq!(run.start.addr(), next);
            assert!(run.bytes > 0 && run.start.addr() % 4096 + run.bytes <= 4096);
            next += run.bytes;
        }
        assert_eq!(next, start + bytes);
    }
}

#[test]
fn a_device_reaches_a_buffer_only_while_it_is_lent_and_in_its_direction() {
    let machine = Machine(HostMemory::default());
    let mut buffer = [1; 100];
    let address = buffer.as_ptr().addr() as u64;
    assert_eq!(machine.physical_address(buffer.as_ptr()), None);
    let lent = Lent::<FromDevice>::to_fill(&machine, &mut buffer);
    assert_eq!(machine.physical_address(lent.start()), Some(address));
    assert!(machine.0.device_write(address + 10, &[7; 90]));
    assert!(
        !machine.0.device_write(address + 10, &[7; 91]),
        "past the end"
    );
    assert!(!machine.0.device_read(address, &mut [0]), "wrong direction");
    lent.finish(&machine);
    assert!(!machine.0.device_write(address, &[0]), "no longer lent");
    assert_eq!((buffer[9], buffer[10], buffer[99]), (1, 7, 7));
    let lent = Lent::<ToDevice>::to_read(&machine, &buffer);
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
    let flying = InFlight::<FromDevice>::begin(&machine, buffer);
    let address = flying.start().addr() as u64;
    assert!(machine.0.device_write(address, &[9; 64]));
    let buffer = flying.finish(&machine);
    assert_eq!(*buffer, [9; 64]);
    let address = {
        let lost = InFlight::<FromDevice>::begin(&machine, buffer);
        lost.start().addr() as u64
    };
    assert!(
        machine.0.device_write(address, &[8; 64]),
        "leaked, not freed"
    );
}

#[test]
fn nothing_shows_an_address() {
    let machine = Machine(HostMemory::default());
    let region = machine.allocate(1).expect("there is memory");
    let mut bytes = [1_u8; 16];
    let run = pages_of(bytes.as_ptr(), 4).next().expect("a run");
    let shown = [
        std::format!("{region:?}"),
        std::format!("{:?}", registers()),
        std::format!("{run:?}"),
        std::format!("{:?}", Lent::to_fill(&machine, &mut bytes)),
        std::format!(
            "{:?}",
            InFlight::<ToDevice>::begin(&machine, RRefSlice::zeroed(8))
        ),
    ];
    let expected = [
        "DmaRegion(4096 bytes)",
        "Mmio(32 bytes)",
        "PageRun(4 bytes)",
        "Lent(16 bytes, FromDevice)",
        "InFlight(8 bytes, ToDevice)",
    ];
    assert_eq!(shown, expected);
}
