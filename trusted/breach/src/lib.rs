//! Calls kernel services, and reaches memory, as a domain does that broke the
//! language's wall.
//!
//! A domain without `unsafe` reaches services through capabilities only. What if it
//! found a hole of the compiler and made one up? The kernel must refuse it, and
//! packages under `tests/attacks` show that it does, with what is here. The table of
//! layers lets nobody else import this crate.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::ptr::{null, null_mut};

use abi::device::{PciInfo, StopRecipe};
use abi::note::DomainNote;
use abi::role::ImageIdentity;
use abi::services::{Audit, DeathNotice, Services, StartRequest};
use abi::status::{Answer, ServiceError, check};
use abi::thread::ThreadControl;
use exchange::thread::services;

const DENIED: Answer = ServiceError::Denied as Answer;

/// A service that needs a right, called without.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Its name.
    pub service: &'static str,
    /// Whether the kernel refused it.
    pub is_refused: bool,
}

/// Calls every service that needs a right.
///
/// The table is taken apart field by field: a new service is a line here.
#[must_use]
pub fn try_everything() -> Vec<Attempt> {
    // SAFETY: the caller has no right to what it gets. What it passes is valid, or
    // not looked at because the kernel refuses: that is what is tried.
    let table = unsafe { services() };
    let mut attempts = control(table);
    attempts.extend(devices(table));
    attempts
}

fn attempt(service: &'static str, is_refused: bool) -> Attempt {
    Attempt {
        service,
        is_refused,
    }
}

/// Tries `$field` of the table, and pushes whether the answer was that it is denied.
macro_rules! denied {
    ($($field:ident ( $($argument:expr),* )),* $(,)?) => {
        [$(attempt(stringify!($field), {
            // Services without pointers are safe to call.
            #[allow(unused_unsafe, reason = "one form for both kinds")]
            // SAFETY: as `try_everything` says.
            let answer: Answer = unsafe { $field($($argument),*) };
            answer == DENIED
        })),*]
    };
}

fn control(table: &Services) -> Vec<Attempt> {
    let Services {
        proxy_redirect,
        proxy_redirect_held,
        proxy_hold,
        proxy_promise,
        log_read,
        console_write,
        console_write_error,
        console_read,
        image_open,
        image_note,
        image_identity,
        image_close,
        domain_start,
        domain_kill,
        domain_is_called,
        domain_inject,
        domain_leftovers,
        domain_list,
        edge_list,
        sampling_set,
        trace_control,
        trace_read,
        domain_wait_death,
        domain_next_death,
        crash_record,
        audit,
        power_off,
        boot_archive,
        // Whatever has no line in `devices` has none here either.
        ..
    } = *table;
    let (mut position, mut bytes, mut message) = (0, [0; 64], [0; 160]);
    let mut note = DomainNote::new("", &[], None);
    let mut identity = ImageIdentity::NONE;
    let mut resources = Audit::default();
    let (mut start, mut length) = (null(), 0);
    let mut notice = DeathNotice {
        id: 0,
        name: [0; 32],
        cause: 0,
        exit_status: 0,
        record: 0,
        begun_ns: 0,
        caller: 0,
    };
    let text = b"[    0.000000] reclaim audit: clean\n";
    let request = null_mut::<StartRequest>();
    denied![
        proxy_redirect(null_mut(), null()),
        proxy_redirect_held(1, null()),
        proxy_hold(null_mut()),
        proxy_promise(null()),
        log_read(0, bytes.as_mut_ptr(), bytes.len(), &raw mut position),
        console_write(text.as_ptr(), text.len()),
        console_write_error(text.as_ptr(), text.len()),
        console_read(&raw mut position, bytes.as_mut_ptr(), bytes.len(), 1),
        image_open(text.as_ptr(), text.len(), &raw mut message),
        image_note(1, &raw mut note),
        image_identity(1, &raw mut identity),
        image_close(1),
        domain_start(request),
        domain_kill(SUPERVISOR, 9),
        domain_is_called(SUPERVISOR),
        domain_inject(SUPERVISOR, 0, 0, 0),
        domain_leftovers(SUPERVISOR),
        domain_list(null_mut(), 0),
        edge_list(null_mut(), 0),
        sampling_set(1),
        trace_control(1, 0),
        trace_read(0, null_mut(), 0),
        domain_wait_death(0, 1, &raw mut notice),
        domain_next_death(0, 1, &raw mut notice),
        crash_record(1, bytes.as_mut_ptr(), bytes.len()),
        audit(&raw mut resources),
        power_off(0),
        boot_archive(&raw mut start, &raw mut length),
    ]
    .into()
}

fn devices(table: &Services) -> Vec<Attempt> {
    let Services {
        pci_list,
        pci_claim,
        pci_read,
        pci_map_bar,
        pci_set_stop,
        interrupt_bind,
        interrupt_wait,
        physical_address,
        dma_open,
        dma_forget,
        dma_allocate,
        host_file_size,
        host_file_read,
        host_file_write,
        host_file_sync,
        // They answer nothing, and free and close only what is their caller's.
        dma_free: _,
        dma_close: _,
        // Tried in `control`.
        proxy_redirect: _,
        proxy_redirect_held: _,
        proxy_hold: _,
        proxy_promise: _,
        log_read: _,
        console_write: _,
        console_write_error: _,
        console_read: _,
        image_open: _,
        image_note: _,
        image_identity: _,
        image_close: _,
        domain_start: _,
        domain_kill: _,
        domain_is_called: _,
        domain_inject: _,
        domain_leftovers: _,
        domain_list: _,
        edge_list: _,
        sampling_set: _,
        trace_control: _,
        trace_read: _,
        domain_wait_death: _,
        domain_next_death: _,
        crash_record: _,
        audit: _,
        power_off: _,
        boot_archive: _,
        // What every domain may do.
        abi_version: _,
        reserved: _,
        pages_map: _,
        pages_unmap: _,
        exchange_allocate: _,
        exchange_free: _,
        exchange_end_loan: _,
        proxy_export: _,
        proxy_clone: _,
        proxy_drop: _,
        proxy_wait: _,
        proxy_wait_out: _,
        panic: _,
        exit: _,
        thread_spawn: _,
        thread_yield: _,
        cpu_number: _,
        cpu_count: _,
        thread_bind: _,
        sleep_until: _,
        wait: _,
        wake: _,
        clock_ns: _,
        wall_clock_ns: _,
        random: _,
        log: _,
        log_flush: _,
    } = *table;
    let (mut bytes, mut info, recipe) = ([0; 64], PciInfo::default(), StopRecipe::default());
    let mut attempts = Vec::from(denied![
        pci_list(0, &raw mut info),
        pci_claim(0x18),
        pci_read(0x18, 0),
        pci_set_stop(0x18, &raw const recipe),
        interrupt_bind(0x18, 0),
        interrupt_wait(0, 0, 1),
        dma_open(bytes.as_ptr(), bytes.len(), 1),
        dma_forget(),
        host_file_size(0),
        host_file_read(0, 0, bytes.as_mut_ptr(), bytes.len()),
        host_file_write(0, 0, bytes.as_ptr(), bytes.len()),
        host_file_sync(0),
    ]);
    attempts.extend([
        attempt("pci_map_bar", pci_map_bar(0x18, 0).is_null()),
        attempt("physical_address", physical_address(bytes.as_ptr()) == 0),
        attempt("dma_allocate", dma_allocate(1, 0).is_null()),
    ]);
    attempts
}

/// Where a value lies.
#[must_use]
pub fn address_of<T>(value: &T) -> usize {
    core::ptr::from_ref(value).addr()
}

/// Sum of the words of memory at a physical address of a machine that maps all RAM
/// there (pc), to see whether somebody wrote to it.
#[must_use]
pub fn sum(address: u64, words: usize) -> u64 {
    let word = |index| word(address + 8 * index as u64);
    (0..words).fold(0, |sum: u64, index| sum.rotate_left(1) ^ word(index))
}

/// A word of memory.
fn word(address: u64) -> u64 {
    // SAFETY: callers pass addresses of RAM, which is mapped for ever; one volatile
    // load of a word is fine whatever is there.
    unsafe { (address as *const u64).read_volatile() }
}

/// A page of the kernel's code.
#[must_use]
pub fn kernel_text() -> u64 {
    // SAFETY: the table is not called but looked at.
    let service = unsafe { services() }.clock_ns as *const () as u64;
    service & PAGE_MASK
}

/// The page table by which the first GiB of RAM is mapped, found by what is in it, below
/// `end`: its entries map large pages in ascending order.
#[must_use]
pub fn page_table(end: u64) -> Option<u64> {
    const LARGE: u64 = 1 << 7 | 1;
    const SHIFT: u32 = 21;
    let maps_itself = |page: u64, index: u64| {
        let entry = word(page + 8 * index);
        entry & LARGE == LARGE && entry & !(1 << 63) & PAGE_MASK == index << SHIFT
    };
    // The kernel's own, the first one, lies in its image.
    let mut pages = (1 << 20..end).step_by(!PAGE_MASK as usize + 1);
    pages.find(|page| (64..96).all(|index| maps_itself(*page, index)))
}

/// Where two words lie one after the other, below `end`.
#[must_use]
pub fn find(first: u64, second: u64, end: u64) -> Option<u64> {
    ram(end).find(|at| word(*at) == first && word(*at + 8) == second)
}

/// The words of RAM below `end`, certainly no device's registers. The place where the
/// kernel lies comes last, and from its end: within it, below the first stack, is a page
/// that is not mapped.
fn ram(end: u64) -> impl Iterator<Item = u64> {
    const WORD: usize = 8;
    let words = (0..(1 << 20) / WORD).rev();
    let kernel = words.map(|index| (2 << 20) + (index * WORD) as u64);
    let below = (1 << 20..2 << 20).step_by(WORD);
    (3 << 20..end).step_by(WORD).chain(below).chain(kernel)
}

/// A configuration register of a PCI function of QEMU's machine q35.
#[must_use]
pub fn read_configuration(function: u32, register: u16) -> u32 {
    // SAFETY: the kernel has mapped all of configuration space; reading a register of a
    // function that somebody drives has no effect on memory.
    unsafe { configuration(function, register).read_volatile() }
}

/// Writes one: as what runs on a device itself could, which chooses the device's
/// messages whatever the kernel has told it.
pub fn write_configuration(function: u32, register: u16, value: u32) {
    // SAFETY: as in `read_configuration`. What the function does then is what is tried.
    unsafe { configuration(function, register).write_volatile(value) }
}

const fn configuration(function: u32, register: u16) -> *mut u32 {
    /// Where it lies there: QEMU's hw/pci-host/q35.c.
    const START: usize = 0xb000_0000;
    core::ptr::with_exposed_provenance_mut(START + ((function as usize) << 12) + register as usize)
}

/// Bits of an address that say which page.
const PAGE_MASK: u64 = !0xfff;

/// Owner id of the first domain that the kernel starts.
const SUPERVISOR: u64 = 0x1_0001;

/// What came of asking for one thing.
pub type Outcome = Result<u64, ServiceError>;

/// Ends the supervisor.
///
/// # Errors
/// The kernel's refusal.
pub fn kill_supervisor() -> Outcome {
    // SAFETY: as `try_everything`.
    check((unsafe { services() }.domain_kill)(SUPERVISOR, 9))
}

/// Reads what an image is that somebody opened.
///
/// # Errors
/// The kernel's refusal.
pub fn read_note(image: u64) -> Outcome {
    let mut note = DomainNote::new("", &[], None);
    // SAFETY: as `try_everything`; the note is writable for the call.
    check(unsafe { (services().image_note)(image, &raw mut note) })
}

/// Closes an image that somebody opened.
///
/// # Errors
/// The kernel's refusal.
pub fn close_image(image: u64) -> Outcome {
    // SAFETY: as `try_everything`.
    check((unsafe { services() }.image_close)(image))
}

/// Becomes the driver of a PCI function.
///
/// # Errors
/// The kernel's refusal.
pub fn claim(function: u32) -> Outcome {
    // SAFETY: as `try_everything`.
    check((unsafe { services() }.pci_claim)(function))
}

/// Reads a register of a PCI function.
///
/// # Errors
/// The kernel's refusal.
pub fn read_register(function: u32) -> Outcome {
    // SAFETY: as `try_everything`.
    check((unsafe { services() }.pci_read)(function, 0))
}

/// Waits for an interrupt that somebody bound.
///
/// # Errors
/// The kernel's refusal.
pub fn wait_interrupt(handle: u64) -> Outcome {
    // SAFETY: as `try_everything`.
    check((unsafe { services() }.interrupt_wait)(handle, u64::MAX, 1))
}

/// Reads from a file of the host.
///
/// # Errors
/// The kernel's refusal.
pub fn read_file(file: u64) -> Outcome {
    let mut bytes = [0; 64];
    // SAFETY: as `try_everything`; the buffer is writable for the call.
    check(unsafe { (services().host_file_read)(file, 0, bytes.as_mut_ptr(), bytes.len()) })
}

/// Writes to a file of the host.
///
/// # Errors
/// The kernel's refusal.
pub fn write_file(file: u64) -> Outcome {
    let bytes = [0xee; 64];
    // SAFETY: as `try_everything`; the bytes live for the call.
    check(unsafe { (services().host_file_write)(file, 0, bytes.as_ptr(), bytes.len()) })
}

/// Reads a byte of any memory, as a hole of the compiler would let it.
#[must_use]
pub fn read_memory(at: usize) -> u8 {
    // SAFETY: there is no promise. Reading ends the domain, or has no effect.
    unsafe { core::ptr::with_exposed_provenance::<u8>(at).read_volatile() }
}

/// Writes a byte of any memory: what is there, so that the rest of the system goes on.
pub fn write_memory(at: usize) {
    let place = core::ptr::with_exposed_provenance_mut::<u8>(at);
    // SAFETY: there is no promise. Writing ends the domain, or changes nothing.
    unsafe { place.write_volatile(place.read_volatile()) };
}

/// Where the kernel keeps what it knows of this thread: data that is not constant.
#[must_use]
pub fn kernel_record() -> usize {
    let control: *const ThreadControl;
    // SAFETY: gs points to the running thread's control block, whose first word is its
    // address.
    unsafe {
        core::arch::asm!(
            "mov {}, qword ptr gs:[0]", out(reg) control,
            options(nostack, preserves_flags, readonly),
        );
        (*control).kernel.expose_provenance()
    }
}
