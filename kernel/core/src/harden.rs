//! The third wall: protection keys, for what the first two miss.
//!
//! Where it is on ([`is_on`]), writable memory in the direct map carries a key
//! ([`abi::protection`]): the kernel's own by default, another while it is given to a
//! domain ([`Frames::give`]). Code of a domain runs with the rights of the domains
//! whose calls are under way, the kernel with all: rights change in the crossing stubs
//! and in a gate around every kernel service (`harden.s`), which the thread control
//! block names in place of the plain ones, and where a thread is interrupted. So
//! images need not know, and without keys nothing costs anything.
//!
//! What code of several domains writes is open to all of them: stacks with the thread
//! control blocks at their ends, exchange objects, counters. Static data of images,
//! interrupt stacks and mapped registers carry no key either.
//!
//! [`Frames::give`]: crate::memory::Frames::give

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::protection::ALL_RIGHTS;
use abi::services::Services;
use abi::thread::{CONTINUATION_ROOM, DomainSlot, offset};

use crate::machine::Machine;
use crate::{crossing, services};

/// Bytes of the table of services before the first pointer.
const HEAD_BYTES: usize = core::mem::offset_of!(Services, pages_map);

/// Services there are.
const SERVICES: usize = (size_of::<Services>() - HEAD_BYTES) / 8;

/// Bytes from one service's gate to the next.
const GATE_BYTES: usize = 16;

core::arch::global_asm!(
    include_str!("harden.s"),
    rights = const offset::SLOT_RIGHTS,
    chain = const offset::CHAIN,
    current = const offset::CURRENT,
    room = const CONTINUATION_ROOM,
    head_bytes = const HEAD_BYTES,
    cross = sym crossing::redleaf_cross,
    cross_moving = sym crossing::redleaf_cross_moving,
    came_back = sym crossing::came_back_with_news,
    table = sym services::TABLE,
);

// A gate for each service, in the order of the table.
core::arch::global_asm!(
    ".globl redleaf_keyed_services",
    ".type redleaf_keyed_services, @function",
    ".balign {gate_bytes}",
    "redleaf_keyed_services:",
    ".set service, 0",
    ".rept {services}",
    ".balign {gate_bytes}",
    "movl $service, %r11d",
    "jmp redleaf_keyed_service",
    ".set service, service + 1",
    ".endr",
    ".size redleaf_keyed_services, . - redleaf_keyed_services",
    services = const SERVICES,
    gate_bytes = const GATE_BYTES,
    options(att_syntax)
);

unsafe extern "sysv64" {
    fn redleaf_keyed_cross();
    fn redleaf_keyed_cross_moving();
    fn redleaf_keyed_cross_end();
    fn redleaf_keyed_came_back();
    fn redleaf_keyed_services();
}

/// 1: protection keys are on. Written before there are threads.
pub(crate) static IS_ON: AtomicU32 = AtomicU32::new(0);

/// The table of services with a gate before each.
struct KeyedTable(UnsafeCell<MaybeUninit<Services>>);

// SAFETY: written once, by the boot CPU, before there are threads.
unsafe impl Sync for KeyedTable {}

static KEYED_TABLE: KeyedTable = KeyedTable(UnsafeCell::new(MaybeUninit::zeroed()));

/// Whether protection keys are on.
#[must_use]
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed) != 0
}

/// Learns from the machine whether there are keys. Before the first thread is made.
pub(crate) fn init(machine: &dyn Machine) {
    if !machine.has_keys() {
        return;
    }
    let table = KEYED_TABLE.0.get().cast::<u64>();
    let first = redleaf_keyed_services as *const () as u64;
    // SAFETY: only the boot CPU runs, and nobody knows the table yet; it is a head
    // and as many pointers as there are services.
    unsafe {
        table
            .cast::<u8>()
            .copy_from_nonoverlapping((&raw const services::TABLE).cast(), HEAD_BYTES);
        for index in 0..SERVICES {
            let gate = first + (index * GATE_BYTES) as u64;
            table.add(HEAD_BYTES / 8 + index).write(gate);
        }
    }
    IS_ON.store(1, Ordering::Relaxed);
}

/// Takes on the rights of a slot ([`DomainSlot::rights`]), or all with the kernel's.
///
/// # Safety
/// What runs until it takes on others must need no more.
pub(crate) unsafe fn take_rights(slot: &DomainSlot) {
    if is_on() {
        // SAFETY: the processor has the register where the mode is on; the rest is the
        // caller's promise.
        unsafe {
            core::arch::asm!(
                "wrpkru",
                in("eax") slot.rights, in("ecx") 0, in("edx") 0,
                options(nostack, preserves_flags),
            );
        }
    }
}

/// Does the kernel's work where a stub calls it, with the rights of a domain.
pub(crate) fn with_all_rights(work: impl FnOnce()) {
    if !is_on() {
        return work();
    }
    let rights: u32;
    // SAFETY: the processor has the register where the mode is on; more rights forbid
    // nothing, and those before are what goes on needs.
    unsafe {
        core::arch::asm!(
            "rdpkru", out("eax") rights, in("ecx") 0, out("edx") _,
            options(nomem, nostack, preserves_flags),
        );
        core::arch::asm!(
            "wrpkru", in("eax") ALL_RIGHTS, in("ecx") 0, in("edx") 0,
            options(nostack, preserves_flags),
        );
        work();
        core::arch::asm!(
            "wrpkru", in("eax") rights, in("ecx") 0, in("edx") 0,
            options(nostack, preserves_flags),
        );
    }
}

/// What the control block of a thread names.
pub(crate) struct Entrances {
    /// See [`abi::thread::ThreadControl::cross`].
    pub(crate) cross: usize,
    /// See [`abi::thread::ThreadControl::cross_moving`].
    pub(crate) cross_moving: usize,
    /// See [`abi::thread::ThreadControl::came_back`].
    pub(crate) came_back: usize,
    /// See [`abi::thread::ThreadControl::services`].
    pub(crate) services: *const Services,
}

/// The ways from a domain's code into the kernel.
pub(crate) fn entrances() -> Entrances {
    if !is_on() {
        return Entrances {
            cross: crossing::stub_address(),
            cross_moving: crossing::moving_stub_address(),
            came_back: crossing::came_back_address(),
            services: services::table(),
        };
    }
    Entrances {
        cross: redleaf_keyed_cross as *const () as usize,
        cross_moving: redleaf_keyed_cross_moving as *const () as usize,
        came_back: redleaf_keyed_came_back as *const () as usize,
        services: KEYED_TABLE.0.get().cast(),
    }
}

/// Whether an instruction pointer lies in the stubs with keys.
pub(crate) fn is_in_stub(rip: usize) -> bool {
    let end = redleaf_keyed_cross_end as *const () as usize;
    (redleaf_keyed_cross as *const () as usize..end).contains(&rip)
}
