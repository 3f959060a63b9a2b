//! Takes more than it may, in a way of the manifest's choice.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::{black_box, spin_loop};

use exchange::{RRef, RRefSlice};
use hardware::{InterruptLine, Mmio, PciFunction, Platform, Registers};
use runtime::thread::{self, Priority};
use runtime::time::{Duration, Instant};
use runtime::{Options, StartError, domain, log};

/// Time in which the system gets started before the bomb goes off.
const FUSE: Duration = Duration::from_millis(100);

/// Goes off after a while. Option: `way`.
#[domain]
fn bomb(function: Option<PciFunction>, options: Options) -> Result<(), StartError> {
    let way: fn() = match options.required("way")? {
        "exchange" => fill_exchange_heap,
        "large" => fill_exchange_heap_with_large_objects,
        "recursion" => recurse,
        "cpu" => || loop {
            spin_loop();
        },
        "interrupts" => return raise_interrupts(function),
        "dma" => return fill_device_memory(function),
        other => {
            return Err(StartError::new(format_args!(
                "{other}: not a way to go off"
            )));
        }
    };
    start(Priority::Normal, move || {
        thread::sleep(FUSE);
        way();
    })
}

fn start(priority: Priority, code: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    let started = thread::spawn("bomb", priority, code);
    started
        .map(drop)
        .map_err(|error| StartError::new(format_args!("no thread: {error:?}")))
}

fn fill_exchange_heap() {
    let mut kept = Vec::new();
    loop {
        kept.push(RRef::new(kept.len() as u64));
    }
}

fn fill_exchange_heap_with_large_objects() {
    let mut kept = Vec::new();
    loop {
        kept.push(RRefSlice::<u64>::zeroed(16 << 10));
    }
}

/// Needs the kernel at every depth, so that it does where the stack ends.
fn recurse() {
    fn descend(depth: u64) -> u64 {
        let object = RRef::new(depth);
        if *object == u64::MAX {
            return 0;
        }
        black_box(descend(*object + 1)) + *object
    }
    black_box(descend(0));
}

/// Registers of QEMU's device `edu` (its docs/specs/edu.rst).
mod registers {
    /// Which interrupts are raised.
    pub const STATUS: usize = 0x24;
    /// Raises interrupts.
    pub const RAISE: usize = 0x60;
    /// Takes interrupts back.
    pub const ACKNOWLEDGE: usize = 0x64;
}

/// Makes a device interrupt as fast as it can; whoever serves it loops for ever
/// after a while, and the interrupts go on.
fn raise_interrupts(function: Option<PciFunction>) -> Result<(), StartError> {
    let function = function.ok_or_else(|| StartError::new("no device was granted"))?;
    let registers: Arc<Mmio> = Arc::new(function.map(0).map_err(refused)?);
    let line = function.interrupt(0).map_err(refused)?;
    let device = Arc::clone(&registers);
    start(Priority::High, move || {
        let (mut seen, mut served) = (0, 0_u64);
        let end = Instant::now() + FUSE;
        while Instant::now() < end {
            seen = line.wait(seen, end.nanoseconds()).unwrap_or(seen);
            let raised = device.read32(registers::STATUS);
            device.write32(registers::ACKNOWLEDGE, raised);
            served += 1;
        }
        log::info!("{served} interrupts served");
        loop {
            device.write32(registers::RAISE, 1);
            let raised = device.read32(registers::STATUS);
            device.write32(registers::ACKNOWLEDGE, raised);
        }
    })?;
    start(Priority::Normal, move || {
        loop {
            registers.write32(registers::RAISE, 1);
            thread::yield_now();
        }
    })
}

/// Takes memory for its device until there is no more, and lives.
fn fill_device_memory(function: Option<PciFunction>) -> Result<(), StartError> {
    const PIECE_PAGES: usize = 64;
    let function = function.ok_or_else(|| StartError::new("no device was granted"))?;
    let regions = core::iter::from_fn(|| function.allocate(PIECE_PAGES));
    let bytes: usize = regions.map(|region| region.bytes()).sum();
    let more = function.allocate(1 << 40).is_some();
    log::info!("{} MiB for its device, more: {more}", bytes >> 20);
    Ok(())
}

fn refused(error: runtime::ServiceError) -> StartError {
    StartError::new(format_args!("the device is refused: {error:?}"))
}
