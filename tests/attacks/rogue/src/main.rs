//! A driver whose device reaches for what is not its own, and witnesses.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use exchange::RRefSlice;
use hardware::{FromDevice, InFlight, Mmio, PciFunction, Platform, Registers};
use liar::Liar;
use runtime::thread::{self, Priority};
use runtime::time::Duration;
use runtime::{Options, StartError, domain, log};

mod liar;
mod messages;
mod registers;

use registers as reg;

/// What the device is to write where it must not.
const GARBAGE: u64 = 0x6261_6467_6172_6261;
/// Bytes it writes.
const BYTES: usize = 64;
/// Time in which the witness looks before there is a rogue.
const FUSE: Duration = Duration::from_millis(200);
/// What devices are aimed at: memory, and interrupts.
const TARGETS: [&str; 13] = [
    "text",
    "table",
    "heap",
    "returned",
    "reading",
    "kept",
    "interrupts",
    "unbound",
    "beyond",
    "exception",
    "unmaskable",
    "management",
    "any",
];
/// Time between rogues: of faults that come at once, an IOMMU may note one only.
const TURN: Duration = Duration::from_millis(150);
/// Time after which a copy that was started must be over; `edu` takes 100 ms for one.
const COPY: Duration = Duration::from_millis(300);
/// Time in which all rogues are done.
const TRIAL: Duration = Duration::from_millis(3000);
/// Memory of the machine below this is looked through for page tables.
const RAM_END: u64 = 510 << 20;
/// What a buffer holds that the device had.
const KEPT: u8 = 0x6b;
/// Pages of a buffer whose frames are freed with it.
const BUFFER_PAGES: usize = 64;
/// The witness's heap holds this, in each word altered by the word's number.
const CANARY: u64 = 0x0f1e_2d3c_4b5a_6978;
/// Words of the witness's heap.
const CANARIES: usize = 64 << 10;

/// Option `target`: what the device is aimed at; option `disk`: it is an NVMe controller.
/// Without a function it is the witness.
#[domain]
fn rogue(function: Option<PciFunction>, options: Options) -> Result<(), StartError> {
    let Some(function) = function else {
        return start(witness);
    };
    let target = String::from(options.required("target")?);
    let turn = TARGETS.iter().position(|one| *one == target).unwrap_or(0);
    if target == messages::VICTIM {
        return start(move || messages::listen(&function));
    }
    let is_disk = options.flag("disk", false)?;
    start(move || {
        thread::sleep(FUSE + TURN * turn as u32);
        if is_disk {
            return match Liar::new(function) {
                Some(liar) => attack(&liar, &target),
                None => log::error!("the driver does not start"),
            };
        }
        match Rogue::new(function) {
            Some(rogue) => rogue.attack(&target),
            None => log::error!("the device has no registers, or there is no memory"),
        }
    })
}

fn start(code: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    let started = thread::spawn("rogue", Priority::Normal, code);
    started
        .map(drop)
        .map_err(|error| StartError::new(format_args!("no thread: {error:?}")))
}

/// Says whether memory that rogues aim at was changed.
fn witness() {
    let heap: Vec<u64> = (0..CANARIES as u64).map(|word| CANARY ^ word).collect();
    let look = || {
        let text = breach::sum(breach::kernel_text(), BYTES / 8);
        let table = breach::page_table(RAM_END).map(|table| breach::sum(table, BYTES / 8));
        (text, table)
    };
    let before = look();
    thread::sleep(TRIAL);
    let is_whole = (0..)
        .zip(&heap)
        .all(|(word, found)| *found == CANARY ^ word);
    log::info!(
        "kernel text and page tables unchanged: {}, foreign heap unchanged: {is_whole}",
        before.1.is_some() && before == look()
    );
}

/// A device that can be aimed.
trait Aimed {
    /// What it is.
    fn function(&self) -> &PciFunction;
    /// Has it write to a device address.
    fn write_to(&self, address: u64);
    /// Has it read from one.
    fn read_from(&self, address: u64);
}

fn attack(device: &impl Aimed, target: &str) {
    let function = device.function();
    let kept = (target == "kept").then(|| had_buffer(function)).flatten();
    let kept_at = kept.as_ref().map(|(address, _)| *address);
    let Some(address) = kept_at.or_else(|| address_of(function, target)) else {
        return log::error!("{target}: no such target");
    };
    log::info!("aims at {target}");
    if target == "reading" {
        device.read_from(address);
    } else {
        device.write_to(address);
    }
    log::info!("has aimed at {target} and lives");
    if let Some((_, buffer)) = kept {
        let is_whole = buffer.iter().all(|byte| *byte == KEPT);
        log::info!("a buffer that came back is unchanged: {is_whole}");
    }
}

fn address_of(function: &PciFunction, target: &str) -> Option<u64> {
    match target {
        "text" | "reading" => Some(breach::kernel_text()),
        "table" => breach::page_table(RAM_END),
        "heap" => breach::find(CANARY ^ 1, CANARY ^ 2, RAM_END),
        // Freed at once.
        "returned" => had_buffer(function).map(|(address, _)| address),
        "interrupts" => Some(messages::named(0)),
        _ => None,
    }
}

/// A buffer that the device had and gave back, and its device address.
fn had_buffer(function: &PciFunction) -> Option<(u64, RRefSlice<u8>)> {
    let mut buffer = RRefSlice::zeroed_pages(BUFFER_PAGES);
    buffer.fill(KEPT);
    let flight = InFlight::<FromDevice>::begin(function, buffer).ok()?;
    let address = flight.address();
    Some((address, flight.finish(function)))
}

struct Rogue {
    function: PciFunction,
    registers: Mmio,
}

impl Aimed for Rogue {
    fn function(&self) -> &PciFunction {
        &self.function
    }

    fn write_to(&self, address: u64) {
        self.copy(reg::BUFFER, address, reg::START | reg::TO_MEMORY);
    }

    fn read_from(&self, address: u64) {
        self.copy(address, reg::BUFFER, reg::START);
    }
}

impl Rogue {
    /// Fills the device's buffer, from memory that it may read.
    fn new(function: PciFunction) -> Option<Self> {
        let registers = function.map(reg::BAR).ok()?;
        let own = function.allocate(1)?;
        let rogue = Self {
            function,
            registers,
        };
        (0..BYTES / 8).for_each(|word| own.write(word, GARBAGE));
        rogue.copy(own.physical(), reg::BUFFER, reg::START);
        own.clear();
        rogue.copy(reg::BUFFER, own.physical(), reg::START | reg::TO_MEMORY);
        log::info!(
            "own memory written by the device: {}",
            own.read(0) == GARBAGE
        );
        Some(rogue)
    }

    fn copy(&self, from: u64, to: u64, command: u64) {
        self.copy_some(from, to, command, BYTES);
    }

    fn copy_some(&self, from: u64, to: u64, command: u64, bytes: usize) {
        self.registers.write64(reg::SOURCE, from);
        self.registers.write64(reg::DESTINATION, to);
        self.registers.write64(reg::COUNT, bytes as u64);
        self.registers.write64(reg::COMMAND, command);
        thread::sleep(COPY);
    }

    fn attack(&self, target: &str) {
        if !messages::attack(self, target) {
            attack(self, target);
        }
    }
}
