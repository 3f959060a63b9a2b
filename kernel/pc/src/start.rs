//! From the entry code to the kernel core: every part set up in its turn.

use core::cell::UnsafeCell;
use core::fmt::Arguments;
use core::sync::atomic::AtomicU32;

use abi::thread::{HEIGHTS, ThreadControl};
use kernel_core::machine::PhysicalRange;

use crate::acpi::Platform;
use crate::boot::{self, LoaderInfo};
use crate::cpu::{self, Features};
use crate::descriptors;
use crate::machine::Pc;
use crate::memory::PAGE;
use crate::{
    apic, clock, io_apic, iommu, paging, power, random, report, rtc, secondary, serial, traps,
};

/// The entry code maps this much.
const BOOT_MAPPED: u64 = 4 << 30;
/// Real-mode data, firmware, and where other CPUs will start.
const LOW_MEMORY: PhysicalRange = PhysicalRange {
    start: 0,
    end: 1 << 20,
};
/// Option that turns the hardened mode on.
const HARDEN_OPTION: &str = "harden";
/// Exit status of a machine whose kernel failed.
const FAILED: i32 = 125;

/// The thread control block that locks look at until the core has its own.
struct BootThread(UnsafeCell<ThreadControl>);

// SAFETY: used by the boot CPU only, before any other runs.
unsafe impl Sync for BootThread {}

static BOOT_THREAD: BootThread = BootThread(UnsafeCell::new(ThreadControl {
    this: core::ptr::null(),
    chain: core::ptr::null(),
    current: core::ptr::null(),
    stack_limit: 0,
    preempt_off: 1,
    kernel_depth: 0,
    work_pending: AtomicU32::new(0),
    thread: 0,
    cross: 0,
    cross_moving: 0,
    came_back: 0,
    services: core::ptr::null(),
    cpu: core::ptr::null_mut(),
    kernel: core::ptr::null_mut(),
    counters: core::ptr::null_mut(),
    call_limits: [0; HEIGHTS],
}));

/// What the entry code calls, with what the loader left in its registers.
pub extern "sysv64" fn start(loader: u32, address: u32) -> ! {
    load_boot_thread();
    serial::init();
    cpu::init();
    // SAFETY: the entry code passes on what it got; nothing was written since.
    let mut loader = match unsafe { boot::read(loader, address) } {
        Ok(loader) => loader,
        Err(error) => fail(format_args!(
            "the boot loader's information is unusable: {error:?}"
        )),
    };
    let features = Features::read();
    let mut platform = find_platform(&loader);
    let keyed = wants_keys(&loader, features);
    set_up_memory(&mut loader, &platform, keyed);
    set_up_interrupts(features, &platform);
    let width = iommu::width(&platform);
    secondary::leave_out_unreachable(&mut platform, width);
    clock::init(features, &platform.power);
    if !random::init(features.rdrand) {
        report!("random: no hardware generator, the clock's jitter has to do");
    }
    let wall_clock = rtc::read(platform.power.century).unwrap_or_else(|| {
        report!("clock: no real-time clock, the day is 1970-01-01");
        0
    });
    let free = paging::hand_over();
    // SAFETY: everything is set up, and only the boot CPU runs.
    let machine = unsafe { Pc::install(platform, loader, free, wall_clock, features) };
    kernel_core::boot::start(machine, machine.boot_info())
}

/// Reports why the kernel cannot start, and ends.
pub fn fail(message: Arguments<'_>) -> ! {
    report!("redleaf: cannot start: {message}");
    power::off(&Platform::default(), FAILED, true)
}

fn load_boot_thread() {
    let thread = BOOT_THREAD.0.get();
    // SAFETY: nobody else uses the block, which lives for ever.
    unsafe {
        (*thread).this = thread;
        cpu::set_gs_base(thread as u64);
    }
}

fn find_platform(loader: &LoaderInfo) -> Platform {
    let platform = Platform::read(loader.rsdp, &|address, length| {
        let end = address.checked_add(length as u64)?;
        // SAFETY: the entry code's tables map this; firmware tables stay as
        // they are while we read them.
        (address != 0 && end <= BOOT_MAPPED)
            .then(|| unsafe { core::slice::from_raw_parts(address as *const u8, length) })
    });
    let Some(platform) = platform.filter(|platform| platform.local_apic != 0) else {
        fail(format_args!(
            "no ACPI tables that describe the interrupt controllers"
        ));
    };
    report!(
        "acpi: {} CPU(s), {} I/O APIC(s), {} PCI segment(s)",
        platform.cpus.as_slice().len(),
        platform.io_apics.as_slice().len(),
        platform.configuration_spaces.as_slice().len()
    );
    platform
}

/// Divides RAM up and switches to the final page tables.
/// Whether the hardened mode is asked for; it is not done without.
fn wants_keys(loader: &LoaderInfo, features: Features) -> bool {
    let mut options = loader.options().split_ascii_whitespace();
    let is_wanted = options.any(|option| option == HARDEN_OPTION);
    if is_wanted && !features.keys {
        fail(format_args!(
            "option {HARDEN_OPTION}: the processor has no protection keys"
        ));
    }
    if is_wanted {
        report!("cpu: memory is guarded by protection keys");
    }
    is_wanted
}

fn set_up_memory(loader: &mut LoaderInfo, platform: &Platform, keyed: bool) {
    let mut ram = loader.ram;
    let low_ram = ram;
    ram.remove(LOW_MEMORY);
    ram.trim_to_pages();
    let archive = page_range(loader.archive);
    if archive.end > BOOT_MAPPED {
        fail(format_args!(
            "the boot archive lies above 4 GiB: {archive:x?}"
        ));
    }
    // The loader knows where it put them, even where the memory map does not:
    // QEMU's PVH loader may place the archive over what its BIOS has reserved.
    ram.add(paging::image::all());
    ram.add(archive);
    let mut free = ram;
    free.remove(paging::image::all());
    free.remove(archive);
    report!(
        "memory: {} MiB, {} MiB free, archive of {} KiB",
        ram.total() >> 20,
        free.total() >> 20,
        (loader.archive.end - loader.archive.start) >> 10
    );
    // SAFETY: `ram` holds the kernel and the archive, as just seen to, and the
    // entry code's tables are still in use.
    if let Err(error) = unsafe { paging::init(&ram, free, archive, platform, keyed) } {
        fail(format_args!("no page tables: {error:?}"));
    }
    secondary::prepare(platform, &low_ram);
}

fn set_up_interrupts(features: Features, platform: &Platform) {
    let Some(stacks) = secondary::interrupt_stacks(0) else {
        fail(format_args!("no memory for interrupt stacks"));
    };
    if !features.apic {
        fail(format_args!("the processor has no local APIC"));
    }
    traps::init();
    // SAFETY: the table was just filled, and the stacks are this CPU's.
    unsafe { descriptors::load(0, stacks) };
    apic::disable_old_controllers();
    apic::init(0, platform.local_apic, features);
    let mode = if features.x2apic { "x2APIC" } else { "xAPIC" };
    let idle = if features.mwait { "MWAIT" } else { "HLT" };
    report!("cpu: interrupts by {mode}, idle by {idle}");
    io_apic::init(platform);
}

/// The whole pages that a range lies in.
fn page_range(range: PhysicalRange) -> PhysicalRange {
    PhysicalRange {
        start: range.start & !(PAGE - 1),
        end: range.end.next_multiple_of(PAGE),
    }
}
