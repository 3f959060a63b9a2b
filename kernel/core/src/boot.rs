//! From the machine's first call to the supervisor.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use abi::grant::{Grant, GrantKind};
use abi::limits::Limits;
use abi::services::StartRequest;

use domain_image::SignedArchive;

use crate::machine::{self, BootInfo, Machine};
use crate::record::name_text;
use crate::sync::SpinLock;
use crate::thread::{self, PRIORITY_KERNEL, PRIORITY_NORMAL, PRIORITY_SYSTEM, Spawn};
use crate::{
    context, cpu, death, domain, frames, harden, image, iommu, memory, panic, pci, scheduler, start,
};

/// Path of the supervisor's image in the boot archive.
const SUPERVISOR: &str = "images/init";

/// How long a CPU that was started may take to run threads. One that runs under a
/// hypervisor may not run at all for a while, and it is not done without.
const CPU_START_NS: u64 = 10_000_000_000;

/// Whether the supervisor has started.
static IS_SUPERVISED: AtomicBool = AtomicBool::new(false);

/// First byte of the kernel's code, and the one after the last.
static KERNEL_TEXT: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Path of the kernel's own file in it, for machines that cannot read theirs.
const KERNEL: &str = "kernel";

static INFO: SpinLock<Option<BootInfo>> = SpinLock::new(None);

/// The boot archive's tar file, once its signature was checked; empty before.
static ARCHIVE: SpinLock<&'static [u8]> = SpinLock::new(&[]);

/// Runs the kernel on the boot CPU; its stack becomes the idle thread's.
pub fn start(machine: &'static dyn Machine, info: BootInfo) -> ! {
    // SAFETY: the first thing the boot CPU does here.
    unsafe { machine::set(machine) };
    let idle = early_thread();
    // SAFETY: the static lives for ever.
    unsafe { machine.load_thread(idle) };
    context::init();
    // SAFETY: the machine says this memory is free and direct-mapped there.
    unsafe { frames::init(machine.direct_map(), info.free_memory, info.sealed_memory) };
    let physical_end = info
        .free_memory
        .iter()
        .map(|range| range.end)
        .max()
        .unwrap_or(0)
        .max(info.sealed_memory.all.end);
    memory::init(machine.direct_map(), machine.mapping_area(), physical_end);
    KERNEL_TEXT[0].store(info.kernel_text.0, Ordering::Relaxed);
    KERNEL_TEXT[1].store(info.kernel_text.1, Ordering::Relaxed);
    *INFO.lock() = Some(info);
    harden::init(machine);
    adopt(machine);
    cpu::set_online(1);
    crate::log::init();
    crate::famine::init();
    death::init();
    crate::record::init();
    log::info!(
        "redleaf {}: {} CPU(s), {} MiB free",
        env!("CARGO_PKG_VERSION"),
        machine.cpu_count(),
        (frames::total() * abi::PAGE_SIZE as u64) >> 20
    );
    start_others(machine);
    pci::init(machine, !info.has_option("pci=nomsi"));
    iommu::init(machine);
    spawn_kernel_thread("reaper", PRIORITY_KERNEL, death::reap);
    spawn_kernel_thread("log", PRIORITY_SYSTEM, crate::log::show);
    spawn_kernel_thread("janitor", PRIORITY_NORMAL, start_supervisor);
    // SAFETY: the boot context is now the idle thread, which holds nothing.
    unsafe { (*thread::control()).preempt_off = 0 };
    scheduler::idle_loop()
}

/// A control block for the first steps, before there is memory for threads.
fn early_thread() -> *const abi::thread::ThreadControl {
    struct Early(core::cell::UnsafeCell<abi::thread::ThreadControl>);
    // SAFETY: used by the boot CPU only, before any other runs.
    unsafe impl Sync for Early {}
    static EARLY: Early = Early(core::cell::UnsafeCell::new(abi::thread::ThreadControl {
        this: core::ptr::null(),
        chain: core::ptr::null(),
        current: core::ptr::null(),
        stack_limit: 0,
        preempt_off: 1,
        kernel_depth: 0,
        work_pending: core::sync::atomic::AtomicU32::new(0),
        thread: 0,
        cross: 0,
        cross_moving: 0,
        came_back: 0,
        services: core::ptr::null(),
        cpu: core::ptr::null_mut(),
        kernel: core::ptr::null_mut(),
        counters: core::ptr::null_mut(),
        call_limits: [0; abi::thread::HEIGHTS],
    }));
    let control = EARLY.0.get();
    // SAFETY: as above.
    unsafe {
        (*control).this = control;
        (*control).current = domain::kernel_slot();
        (*control).cpu = core::ptr::from_ref(cpu::get(0)).cast_mut().cast();
    }
    control
}

/// Turns the boot CPU's context into its idle thread.
fn adopt(machine: &'static dyn Machine) {
    let idle = thread::adopt_boot_thread(0);
    // SAFETY: the thread is ours; it lives for ever.
    unsafe { machine.load_thread(idle.control()) };
}

/// Starts the other CPUs, one after the other; those that do not come are
/// done without.
fn start_others(machine: &'static dyn Machine) {
    for index in 1..machine.cpu_count().min(cpu::MAX_CPUS) {
        let idle = thread::adopt_boot_thread(index);
        let give_up_ns = machine.now_ns() + CPU_START_NS;
        let has_come = machine.start_cpu(index, idle.control()) && {
            while cpu::online() == index && machine.now_ns() < give_up_ns {
                machine.relax();
            }
            cpu::online() > index
        };
        if !has_come {
            log::warn!("CPU {index} does not start; going on with {index} CPU(s)");
            return;
        }
    }
}

/// Runs the kernel on another CPU, on which `gs:0` is already the control block
/// of its idle thread: the one passed to [`Machine::start_cpu`].
pub fn run_secondary() -> ! {
    let cpu = cpu::current();
    cpu::set_online(cpu.index + 1);
    // SAFETY: this context is now the idle thread, which holds nothing.
    unsafe { (*thread::control()).preempt_off = 0 };
    scheduler::idle_loop()
}

fn spawn_kernel_thread(name: &str, priority: u32, function: extern "sysv64" fn(*mut ())) {
    let kernel = domain::kernel();
    let spawn = Spawn {
        name: abi::note::name(name),
        priority,
        slot: kernel.slot(),
        generation: kernel.generation(),
        home: kernel.id(),
        function,
        argument: core::ptr::null_mut(),
        stack_bytes: 0,
    };
    // SAFETY: the functions ignore their argument.
    if unsafe { thread::spawn(&spawn) }.is_err() {
        panic::fatal(format_args!("no memory for the kernel thread {name}"));
    }
}

/// The boot archive's tar file, which the build signed.
#[must_use]
pub fn archive() -> &'static [u8] {
    *ARCHIVE.lock()
}

/// Checks the boot archive's signature before anything else of it is read. An
/// archive that this build did not make ends the system.
fn verify_archive() {
    let found = INFO.lock().as_ref().map_or(&[][..], |info| info.archive);
    let verdict = image::public_key().and_then(|key| SignedArchive::check(found, &key));
    match verdict {
        Ok(archive) => *ARCHIVE.lock() = archive.tar(),
        Err(error) => panic::refuse(format_args!(
            "the boot archive ({} bytes) {error}",
            found.len()
        )),
    }
    if let Some(info) = INFO.lock().as_mut() {
        info.kernel_image = info.kernel_image.or_else(|| archived(KERNEL));
    }
}

/// A file of the boot archive.
fn archived(path: &str) -> Option<&'static [u8]> {
    let tar = tar_no_std::TarArchiveRef::new(archive()).ok()?;
    let mut entries = tar.entries();
    let entry = entries.find(|entry| entry.filename().as_str() == Ok(path))?;
    Some(entry.data())
}

/// The options.
pub(crate) fn options() -> &'static str {
    INFO.lock().as_ref().map_or("", |info| info.options)
}

/// Whether an address lies in the kernel's code.
///
/// Called from exception handlers, hence no lock: at its end work that
/// interrupts left behind would be done on the interrupt stack.
#[must_use]
pub fn is_kernel_text(address: usize) -> bool {
    let [start, end] = &KERNEL_TEXT;
    (start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)).contains(&address)
}

/// Writes the kernel function an address lies in, as far as symbols are there.
///
/// # Errors
/// Those of `out`.
pub fn describe_kernel(address: usize, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
    let image = INFO.lock().as_ref().and_then(|info| info.kernel_image);
    let name = image
        .and_then(|elf| domain_image::Symbols::parse(elf).ok())
        .and_then(|symbols| symbols.name_of(address as u64));
    match name {
        Some(name) => write!(out, "kernel: {name}"),
        None => out.write_str("kernel"),
    }
}

/// Starts `init` from the boot archive; without it there is nothing to do. Then
/// the thread is the janitor.
extern "sysv64" fn start_supervisor(_: *mut ()) {
    verify_archive();
    test_the_end();
    let Some(image) = archived(SUPERVISOR) else {
        panic::refuse(format_args!("the boot archive has no {SUPERVISOR}"));
    };
    let mut message = [0; 160];
    let Ok(handle) = start::open_image(image, &mut message) else {
        panic::refuse(format_args!("{SUPERVISOR} was refused, see above"));
    };
    let grants = [
        capability(GrantKind::DomainControl),
        capability(GrantKind::BootArchive),
    ];
    let mut request = supervisor_request(handle, &grants);
    if let Err(error) = start::start(&mut request, &grants) {
        let length = request.message_length as usize;
        let text = core::str::from_utf8(request.message.get(..length).unwrap_or(&[])).unwrap_or("");
        let name = name_text(&request.name);
        if request.id == 0 {
            panic::refuse(format_args!("{SUPERVISOR}: {text}"));
        }
        panic::fatal(format_args!(
            "the supervisor {name} ended: {error:?} {text}"
        ));
    }
    IS_SUPERVISED.store(true, Ordering::Release);
    death::tidy()
}

/// Ends the system with its supervisor, once that had started: nobody would start again
/// what dies from then on.
pub(crate) fn end_with(supervisor: &crate::domain::Domain, cause: abi::death::DeathCause) {
    if IS_SUPERVISED.load(Ordering::Acquire) && domain::is_supervisor(supervisor) {
        panic::give_up(format_args!("the supervisor died: {}", cause.name()));
    }
}

/// Ends the kernel as the options `selftest=panic` and `selftest=exception` want
/// it, to show what that looks like.
fn test_the_end() {
    let info = *INFO.lock();
    let is_wanted = |option| info.is_some_and(|info| info.has_option(option));
    if is_wanted("selftest=panic") {
        panic::fatal(format_args!("the option selftest=panic was given"));
    }
    if is_wanted("selftest=exception") {
        // SAFETY: an undefined instruction has no effect but its exception, and
        // nothing goes on after that.
        unsafe { core::arch::asm!("ud2") };
    }
}

const fn capability(kind: GrantKind) -> Grant {
    Grant {
        kind: kind as u32,
        reserved: 0,
        fingerprint: 0,
        first: 0,
        second: 0,
    }
}

fn supervisor_request(image: u64, grants: &[Grant]) -> StartRequest {
    StartRequest {
        image,
        name: abi::note::name("init"),
        grants: grants.as_ptr(),
        grant_count: grants.len(),
        // It deals with each death on a thread, and holds a proxy or two for
        // every domain of its system.
        limits: Limits {
            threads: 256,
            handles: 4096,
            ..Limits::DEFAULT
        },
        detached: 1,
        apart: 0,
        id: 0,
        result: 0,
        exit_status: 0,
        object: core::ptr::null_mut(),
        cause: 0,
        message_length: 0,
        message: [0; 160],
    }
}
