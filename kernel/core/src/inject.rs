//! Faults on purpose, where chance has it: who is struck, and when.
//!
//! One fault is armed at a time, a word that the places where it may happen
//! look at: a thread that is interrupted while it executes in the domain meant
//! ([`meet`]), an interrupt of a device the domain drives, a transfer of a host
//! file ([`take_device_fault`]). Whoever meets the fault takes it. How a thread
//! then ends the domain is [`crate::fault`]'s.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::death::InjectedFault;
use abi::services::DomainState;
use abi::status::ServiceError;
use chance::Chance;

use crate::domain::Domain;
use crate::fault::{self, word};
use crate::{device, machine, scheduler, thread};

/// Owner id and number of the fault, as [`word`] joins them; 0: none.
static ARMED: AtomicU64 = AtomicU64::new(0);

/// Shortest time between two moments at which the hunt interrupts.
const LEAST_PAUSE_NS: u64 = 20_000;
/// How much longer it may be.
const PAUSE_SPREAD_NS: u64 = 180_000;

/// Makes something go wrong in a domain, within `within_ns` where chance, made
/// from `seed`, has it; if it has not by then, or that is 0, a crash happens in
/// a thread that waits in the domain, or in a fresh one. Whether it was chance.
///
/// # Errors
/// `Invalid` for an unknown fault, `Dead`, `NoMemory` when no thread can be
/// made, `Unsupported` without a device that could fail so, `Busy` while
/// another fault is armed, `Interrupted` when the caller is dying.
pub fn inject(
    domain: &'static Domain,
    number: u32,
    within_ns: u64,
    seed: u64,
) -> Result<bool, ServiceError> {
    let fault = InjectedFault::from_number(number).ok_or(ServiceError::Invalid)?;
    if domain.state() != DomainState::Running {
        return Err(ServiceError::Dead);
    }
    let mut chance = Chance::new(seed);
    match fault {
        InjectedFault::Kill => {
            crate::death::begin(domain, abi::death::DeathCause::Killed, None);
            return Ok(true);
        }
        InjectedFault::WrongCompletion
            if device::scribble(domain.id(), &mut || chance.number()) =>
        {
            return Ok(true);
        }
        InjectedFault::WrongCompletion => {
            return lie_in_wait(domain, fault, within_ns, &mut chance);
        }
        InjectedFault::LostInterrupt if !device::interrupts_for(domain.id()) => {
            return Err(ServiceError::Unsupported);
        }
        InjectedFault::LostInterrupt => return lie_in_wait(domain, fault, within_ns, &mut chance),
        _ => {}
    }
    let was_met = within_ns != 0 && lie_in_wait(domain, fault, within_ns, &mut chance)?;
    if !was_met {
        fault::strike_anybody(domain, number)?;
    }
    Ok(was_met)
}

/// Arms a fault until it is met or the time is over; whether it was met. Each
/// CPU is interrupted at random moments meanwhile.
fn lie_in_wait(
    domain: &'static Domain,
    fault: InjectedFault,
    within_ns: u64,
    chance: &mut Chance,
) -> Result<bool, ServiceError> {
    let armed = word(domain, fault as u32);
    ARMED
        .compare_exchange(0, armed, Ordering::AcqRel, Ordering::Relaxed)
        .map_err(|_| ServiceError::Busy)?;
    let deadline_ns = machine::get().now_ns().saturating_add(within_ns);
    let mut slept = Ok(());
    while slept.is_ok()
        && ARMED.load(Ordering::Relaxed) == armed
        && machine::get().now_ns() < deadline_ns
    {
        let pause_ns = LEAST_PAUSE_NS + chance.number() % PAUSE_SPREAD_NS;
        slept = scheduler::sleep_until(machine::get().now_ns() + pause_ns);
        crate::cpu::disturb_others();
    }
    let was_met = ARMED
        .compare_exchange(armed, 0, Ordering::AcqRel, Ordering::Relaxed)
        .is_err();
    slept.map(|()| was_met)
}

/// The current thread was interrupted: it takes the fault that is armed for the
/// domain it executes in, to commit it when it leaves the kernel.
#[inline]
pub fn meet() {
    let armed = ARMED.load(Ordering::Relaxed);
    if armed == 0 {
        return;
    }
    let current = crate::domain::current();
    let (id, number) = fault::parts(armed);
    if current.is_kernel() || current.id() != id || is_of_device(number) {
        return;
    }
    if take(armed) {
        thread::current().injected.store(armed, Ordering::Release);
    }
}

/// Takes a device's fault that is armed for `owner`; whether there was one.
#[inline]
pub fn take_device_fault(owner: u64, fault: InjectedFault) -> bool {
    let armed = ARMED.load(Ordering::Relaxed);
    armed != 0 && fault::parts(armed) == (owner, fault as u32) && take(armed)
}

fn take(armed: u64) -> bool {
    ARMED
        .compare_exchange(armed, 0, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

const fn is_of_device(number: u32) -> bool {
    number == InjectedFault::WrongCompletion as u32 || number == InjectedFault::LostInterrupt as u32
}
