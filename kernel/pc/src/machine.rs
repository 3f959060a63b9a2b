//! [`kernel_core::machine::Machine`] for the PC.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::sync::atomic::{AtomicPtr, Ordering};

use abi::device::PciAddress;
use abi::thread::ThreadControl;
use kernel_core::machine::{
    BootInfo, HostFileRequest, Iommu, IommuError, Machine, MapError, Permission, PhysicalRange,
    SealedMemory,
};

use crate::acpi::Platform;
use crate::boot::LoaderInfo;
use crate::cpu::Features;
use crate::iommu::interrupts::{self, Entry};
use crate::memory::Ranges;
use crate::{
    apic, clock, cpu, io_apic, iommu, paging, pci, power, random, secondary, serial, traps,
};

/// The line of COM1.
const CONSOLE_LINE: u8 = 4;
/// Highest local APIC id that a message has room for which is not remapped (SDM volume
/// 3A, section 11.11.1).
const MSI_MAX_ID: u32 = 0xfe;
/// Command line option: end QEMU through `isa-debug-exit`.
const DEBUG_EXIT_OPTION: &str = "exit=debug";
const SECOND_NS: u64 = 1_000_000_000;

/// The machine: what was found at boot and never changes.
pub struct Pc {
    platform: Platform,
    loader: LoaderInfo,
    free: Ranges,
    sealed: SealedMemory,
    /// Time of day when the clock started.
    wall_clock_base_ns: u64,
    has_debug_exit: bool,
    /// Idle CPUs wait by MWAIT, not HLT.
    has_mwait: bool,
}

struct Storage(UnsafeCell<MaybeUninit<Pc>>);

// SAFETY: `Pc::install` writes it once, before another CPU runs and before
// `MACHINE` leads anybody to it.
unsafe impl Sync for Storage {}

static STORAGE: Storage = Storage(UnsafeCell::new(MaybeUninit::uninit()));
static MACHINE: AtomicPtr<Pc> = AtomicPtr::new(core::ptr::null_mut());

/// The machine, once it is installed.
pub fn get() -> Option<&'static Pc> {
    // SAFETY: the pointer is null or leads to the storage, which is written
    // before the pointer is and never again.
    unsafe { MACHINE.load(Ordering::Acquire).as_ref() }
}

/// What ACPI says about the machine.
pub fn platform() -> &'static Platform {
    &get()
        .expect("interrupts are on only after the machine was installed")
        .platform
}

/// Leads the console's line to CPU 0: at first, and once interrupts are remapped. What
/// was typed meanwhile raises it again.
pub fn route_console_anew() {
    if io_apic::route_console(platform(), CONSOLE_LINE) {
        serial::enable_input();
    }
}

impl Pc {
    /// Makes this the machine.
    ///
    /// # Safety
    /// Once, on the boot CPU, before others run; all devices are set up.
    pub unsafe fn install(
        platform: Platform,
        loader: LoaderInfo,
        (free, sealed): (Ranges, SealedMemory),
        wall_clock_s: u64,
        features: Features,
    ) -> &'static Self {
        let has_debug_exit = loader
            .options()
            .split_ascii_whitespace()
            .any(|option| option == DEBUG_EXIT_OPTION);
        let machine = Self {
            platform,
            loader,
            free,
            sealed,
            wall_clock_base_ns: wall_clock_s.saturating_mul(SECOND_NS),
            has_debug_exit,
            has_mwait: features.mwait,
        };
        // SAFETY: the caller's promise: nobody else looks at the storage yet.
        let machine = unsafe { (*STORAGE.0.get()).write(machine) };
        MACHINE.store(machine, Ordering::Release);
        route_console_anew();
        machine
    }

    /// What the kernel core is started with.
    pub fn boot_info(&'static self) -> BootInfo {
        let text = paging::image::text();
        BootInfo {
            free_memory: self.free.as_slice(),
            sealed_memory: self.sealed,
            archive: bytes(self.loader.archive),
            options: self.loader.options(),
            kernel_text: (text.start as usize, text.end as usize),
            // No boot loader hands it on: the host tool puts it into the archive.
            kernel_image: None,
        }
    }
}

/// The boot archive, which is mapped read-only and never freed.
fn bytes(range: PhysicalRange) -> &'static [u8] {
    if range.start == range.end {
        return &[];
    }
    // SAFETY: `start` has checked that the range is RAM, left it out of the free
    // memory and mapped it read-only.
    unsafe {
        let length = (range.end - range.start) as usize;
        core::slice::from_raw_parts(range.start as *const u8, length)
    }
}

impl Machine for Pc {
    fn cpu_count(&self) -> usize {
        secondary::count(&self.platform)
    }

    fn start_cpu(&self, cpu: usize, idle: *const ThreadControl) -> bool {
        secondary::start(&self.platform, cpu, idle)
    }

    fn direct_map(&self) -> usize {
        0
    }

    fn seal(&self, frame: u64, pages: usize, is_sealed: bool) {
        paging::seal(frame, pages, is_sealed);
    }

    unsafe fn write_sealed(&self, at: u64, bytes: &[u8]) {
        // SAFETY: the caller's promise.
        unsafe { paging::write_sealed(at, bytes) };
    }

    fn has_keys(&self) -> bool {
        paging::has_keys()
    }

    fn set_key(&self, frame: u64, pages: usize, key: u8) {
        paging::set_key(frame, pages, key);
    }

    fn page_table(&self) -> Option<usize> {
        Some(cpu::page_tables() as usize)
    }

    fn mapping_area(&self) -> Range<usize> {
        paging::MAPPING_AREA
    }

    fn map(
        &self,
        at: usize,
        frame: u64,
        pages: usize,
        permission: Permission,
    ) -> Result<(), MapError> {
        paging::map_pages(at, frame, pages, permission)
    }

    fn unmap(&self, at: usize, pages: usize) {
        paging::unmap_pages(at, pages);
    }

    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    fn wall_clock_ns(&self) -> u64 {
        self.wall_clock_base_ns.saturating_add(clock::now_ns())
    }

    fn set_timer(&self, deadline_ns: u64) {
        clock::set_timer(deadline_ns);
    }

    fn wake_cpu(&self, cpu: usize) {
        apic::send(cpu, traps::WAKE);
    }

    fn idle(&self, work_pending: &dyn Fn() -> bool) {
        cpu::disable_interrupts();
        // SAFETY: the interrupt table is loaded, and the caller is a thread, in
        // which interrupts are always on.
        unsafe {
            if work_pending() {
                cpu::enable_interrupts();
            } else if self.has_mwait {
                cpu::enable_interrupts_and_wait();
            } else {
                cpu::enable_interrupts_and_halt();
            }
        }
    }

    unsafe fn load_thread(&self, thread: *const ThreadControl) {
        // SAFETY: the caller's promise. Interrupts need a thread of the kernel
        // core's, so the first one that it loads on a CPU turns them on.
        unsafe {
            cpu::set_gs_base(thread as u64);
            cpu::enable_interrupts();
        }
    }

    fn console_write(&self, text: &[u8]) {
        serial::CONSOLE.write(text);
    }

    fn log_write(&self, text: &[u8]) {
        serial::log_port().write(text);
    }

    fn console_read(&self, buffer: &mut [u8]) -> Option<usize> {
        Some(serial::read_input(buffer))
    }

    fn random(&self, buffer: &mut [u8]) {
        random::fill(buffer);
    }

    fn power_off(&self, status: i32) -> ! {
        power::off(&self.platform, status, self.has_debug_exit)
    }

    fn pci_read(&self, address: PciAddress, register: u16) -> u32 {
        pci::read(&self.platform, address, register)
    }

    fn pci_write(&self, address: PciAddress, register: u16, value: u32) {
        pci::write(&self.platform, address, register, value);
    }

    fn pci_last_bus(&self) -> Option<u8> {
        pci::last_bus(&self.platform)
    }

    fn pci_window(&self) -> Option<Range<u64>> {
        self.platform
            .pci_window
            .map(|window| window.start..window.end)
    }

    fn device_vectors(&self) -> usize {
        traps::DEVICE_VECTORS
    }

    fn aim_interrupt(
        &self,
        function: PciAddress,
        cpu: usize,
        vector: usize,
    ) -> Result<(u64, u32), IommuError> {
        let (id, vector) = (apic::id(cpu), traps::device_vector(vector));
        let entry = Entry {
            vector,
            cpu: id,
            source: function.0 as u16,
            is_level: false,
        };
        if iommu::UNITS.admit(entry)? {
            return Ok(interrupts::message(vector));
        }
        // The firmware may have counted on remapping.
        let id = Some(id).filter(|&id| id <= MSI_MAX_ID);
        let id = id.unwrap_or_else(|| apic::id(0));
        Ok(interrupts::own_message(id, vector))
    }

    fn release_interrupt(&self, vector: usize) -> Result<(), IommuError> {
        iommu::UNITS.refuse(traps::device_vector(vector))
    }

    fn route_line(&self, line: u8, vector: usize) -> bool {
        io_apic::route(&self.platform, line, vector)
    }

    fn mask_line(&self, line: u8, masked: bool) {
        io_apic::mask(&self.platform, line, masked);
    }

    fn iommu(&self) -> Option<&dyn Iommu> {
        let units = self.platform.remapping_units.as_slice();
        (!units.is_empty()).then_some(&iommu::UNITS)
    }

    fn host_file(&self, _file: u64, _request: HostFileRequest<'_>) -> Option<u64> {
        None
    }
}
