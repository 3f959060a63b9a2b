//! What the portable kernel asks of the machine it runs on.
//!
//! `kernel/pc` and `kernel/hosted` each implement [`Machine`] once and hand a
//! reference to [`crate::boot::start`]. In the other direction a machine calls
//! [`crate::interrupt::on_interrupt`] and [`crate::interrupt::on_exception`],
//! from its interrupt stack, and nothing else.

use abi::thread::ThreadControl;

/// Access rights of a mapping. None is both writable and executable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Constants and the boot archive.
    Read,
    /// Data, stacks.
    ReadWrite,
    /// Code.
    ReadExecute,
    /// Device registers: read-write, uncached.
    Device,
    /// Read-write for who has the rights of this protection key ([`abi::protection`]).
    Keyed(u8),
}

/// A range of physical memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhysicalRange {
    /// First byte; page-aligned where it describes free memory.
    pub start: u64,
    /// Byte after the last.
    pub end: u64,
}

/// Memory that was sealed before the kernel core started: whole chunks
/// ([`crate::frames::CHUNK_BYTES`]).
#[derive(Clone, Copy, Debug)]
pub struct SealedMemory {
    /// All of it, in no range of free memory.
    pub all: PhysicalRange,
    /// The part of it that is not used.
    pub free: PhysicalRange,
}

impl SealedMemory {
    /// Nothing.
    pub const NONE: Self = {
        let empty = PhysicalRange { start: 0, end: 0 };
        Self {
            all: empty,
            free: empty,
        }
    };
}

/// Why a mapping could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// No memory for the tables.
    NoMemory,
    /// The range is outside the area for mappings or already mapped.
    BadRange,
}

/// An operation on a file of the host (machine `hosted`).
#[derive(Debug)]
pub enum HostFileRequest<'a> {
    /// Bytes in the file.
    Size,
    /// Read at an offset; answers the bytes read.
    Read(u64, &'a mut [u8]),
    /// Write at an offset; answers the bytes written.
    Write(u64, &'a [u8]),
    /// Make the data durable.
    Sync,
}

/// Something that an IOMMU did not let a device do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceFault {
    /// Packed [`abi::device::PciAddress`] of the function.
    pub function: u32,
    /// What it tried.
    pub refused: Refused,
}

/// What an IOMMU did not let a device do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// An access to memory.
    Access {
        /// The page that it addressed.
        address: u64,
        /// Whether it read.
        is_read: bool,
    },
    /// An interrupt.
    Interrupt {
        /// Where it wrote its message.
        address: u64,
        /// What was wrong with that.
        reason: InterruptRefusal,
    },
}

/// Why an interrupt message was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterruptRefusal {
    /// The interrupt that it names is not there.
    NoEntry,
    /// The interrupt that it names is another function's.
    Foreign,
    /// It names none, but says itself what is to be raised.
    Unchecked,
    /// It makes no sense.
    Malformed,
    /// What it names could not be looked up.
    Table,
}

impl InterruptRefusal {
    /// What was wrong, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoEntry => "a message for an interrupt that is not bound",
            Self::Foreign => "a message for another device's interrupt",
            Self::Unchecked => "a message that chooses its own vector",
            Self::Malformed => "a malformed message",
            Self::Table => "a message whose interrupt could not be looked up",
        }
    }
}

/// How devices are guarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guarding {
    /// Levels of a table.
    pub levels: u32,
    /// Tables there may be.
    pub tables: u32,
    /// Whether a function raises no interrupt but those that
    /// [`Machine::aim_interrupt`] gave it.
    pub checks_interrupts: bool,
}

/// Why an IOMMU cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IommuError {
    /// It lacks what is needed, or there are too many.
    Unsupported,
    /// No memory for its tables.
    NoMemory,
    /// It does not do what it is told.
    Broken,
}

/// The machine's IOMMUs as one. Devices go by tables of pages in the format of
/// [`crate::iommu`]; one that was not attached to any reaches no memory.
pub trait Iommu: Sync {
    /// Begins to guard devices on these buses, and raises `Event::Device(vector)` on
    /// CPU 0 when one is refused something.
    ///
    /// # Errors
    /// [`IommuError`]; what devices do is then not known.
    fn start(&self, buses: &[u8], vector: usize) -> Result<Guarding, IommuError>;
    /// Makes a function go by the table in frame `pages`, whose number is not 0.
    ///
    /// # Errors
    /// [`IommuError`]; it then reaches no memory.
    fn attach(
        &self,
        function: abi::device::PciAddress,
        number: u16,
        pages: u64,
    ) -> Result<(), IommuError>;
    /// Whether functions can be let have all memory.
    fn has_pass_through(&self) -> bool;
    /// Lets a function, which counts as going by table `number`, have all memory.
    ///
    /// # Errors
    /// [`IommuError`]; it then reaches none.
    fn attach_open(&self, function: abi::device::PciAddress, number: u16)
    -> Result<(), IommuError>;
    /// Keeps a function, which went by table `number`, away from all memory; on
    /// return it does not read or write any more.
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    fn detach(&self, function: abi::device::PciAddress, number: u16) -> Result<(), IommuError>;
    /// Makes devices forget table `number`; on return none goes by what was in it.
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    fn forget(&self, number: u16) -> Result<(), IommuError>;
    /// Writes an entry of a table so that devices see it.
    fn write(&self, entry: &core::sync::atomic::AtomicU64, value: u64);
    /// Takes something that was refused.
    fn take_fault(&self) -> Option<DeviceFault>;
}

/// Everything that differs between bare hardware and a Linux process.
///
/// All methods may be called from any CPU. Those marked *this CPU* are called
/// with pre-emption off. None may panic.
pub trait Machine: Sync {
    /// CPUs that run, 1 to 64.
    fn cpu_count(&self) -> usize;
    /// Virtual address at which physical address 0 is (or would be) mapped.
    /// All RAM is mapped there, readable, writable unless it is sealed, not executable.
    fn direct_map(&self) -> usize;
    /// Makes frames read-only in the direct map, or writable again; on return no CPU
    /// can write there. Whole chunks ([`crate::frames::CHUNK_BYTES`]), so that it takes
    /// no memory.
    fn seal(&self, frame: u64, pages: usize, is_sealed: bool);
    /// Writes to sealed memory at physical address `at`, which nothing else can.
    ///
    /// # Safety
    /// The memory is the caller's, and holds no page table.
    unsafe fn write_sealed(&self, at: u64, bytes: &[u8]);
    /// Whether RAM in the direct map carries protection keys ([`abi::protection`]), the
    /// kernel's unless [`Self::set_key`] has given it another.
    fn has_keys(&self) -> bool {
        false
    }
    /// Gives RAM that is not sealed a protection key in the direct map; on return every
    /// CPU heeds it.
    fn set_key(&self, _frame: u64, _pages: usize, _key: u8) {}
    /// Where the page tables begin in the direct map, if the kernel has its own.
    fn page_table(&self) -> Option<usize>;
    /// Virtual address range the kernel core may place mappings in, page-aligned.
    fn mapping_area(&self) -> core::ops::Range<usize>;
    /// Maps `pages` pages of physically contiguous memory from `frame` on.
    ///
    /// # Errors
    /// [`MapError`]; nothing is mapped then.
    fn map(
        &self,
        at: usize,
        frame: u64,
        pages: usize,
        permission: Permission,
    ) -> Result<(), MapError>;
    /// Removes mappings; on return no CPU can reach the memory through them.
    fn unmap(&self, at: usize, pages: usize);

    /// Monotonic nanoseconds since boot.
    fn now_ns(&self) -> u64;
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    fn wall_clock_ns(&self) -> u64;
    /// *This CPU*: raise [`crate::interrupt::Event::Timer`] at `deadline_ns`,
    /// replacing an earlier request. `u64::MAX`: never.
    fn set_timer(&self, deadline_ns: u64);
    /// Starts another CPU: it makes `gs:0` the given idle thread's control block
    /// and calls [`crate::boot::run_secondary`]. Called by the boot CPU, once
    /// for each other one. False if it cannot be started.
    fn start_cpu(&self, cpu: usize, idle: *const ThreadControl) -> bool;
    /// *This CPU*: lets whoever this CPU waits for make progress.
    fn relax(&self) {
        core::hint::spin_loop();
    }
    /// Raises [`crate::interrupt::Event::Wake`] on another CPU.
    fn wake_cpu(&self, cpu: usize);
    /// *This CPU*: waits for an interrupt unless `work_pending()` is true. The
    /// check and the wait are one atomic step with respect to interrupts; an
    /// interrupt that arrives meanwhile is reported as usual and ends the wait.
    fn idle(&self, work_pending: &dyn Fn() -> bool);
    /// *This CPU*: makes `gs:0` the thread's control block.
    ///
    /// # Safety
    /// The block must live until another one is loaded.
    unsafe fn load_thread(&self, thread: *const ThreadControl);

    /// Writes to the console (what users see).
    fn console_write(&self, text: &[u8]);
    /// Writes to the kernel log's outlet (second serial port, standard error).
    fn log_write(&self, text: &[u8]);
    /// Takes pending console input; how many bytes. `None`: input has ended.
    fn console_read(&self, buffer: &mut [u8]) -> Option<usize>;
    /// Fills `buffer` with randomness.
    fn random(&self, buffer: &mut [u8]);
    /// Ends everything with an exit status.
    fn power_off(&self, status: i32) -> !;

    /// Reads a 32-bit configuration register of a PCI function; all ones where
    /// there is none. `register` is a multiple of 4.
    fn pci_read(&self, address: abi::device::PciAddress, register: u16) -> u32;
    /// Writes a 32-bit configuration register of a PCI function.
    fn pci_write(&self, address: abi::device::PciAddress, register: u16, value: u32);
    /// Last PCI bus there is; `None` without PCI.
    fn pci_last_bus(&self) -> Option<u8>;
    /// Where to place functions that the firmware left unplaced; `None` if it
    /// has placed them all.
    fn pci_window(&self) -> Option<core::ops::Range<u64>> {
        None
    }
    /// Interrupt vectors for devices: events carry 0 to this number - 1.
    fn device_vectors(&self) -> usize;
    /// MSI address and data by which `function` raises `Event::Device(vector)` on `cpu`.
    /// With an IOMMU that checks interrupts no other function can from now on, and the
    /// vector moves to `cpu` if it was the function's before.
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    fn aim_interrupt(
        &self,
        function: abi::device::PciAddress,
        cpu: usize,
        vector: usize,
    ) -> Result<(u64, u32), IommuError>;
    /// Takes a vector away from the function or line that raised it. With an IOMMU that
    /// checks interrupts nothing raises it on return.
    ///
    /// # Errors
    /// [`IommuError::Broken`]
    fn release_interrupt(&self, vector: usize) -> Result<(), IommuError>;
    /// Routes legacy line `line` (PCI interrupt line register) to
    /// `Event::Device(vector)`, masked. False where there is no such line.
    fn route_line(&self, line: u8, vector: usize) -> bool;
    /// Masks or unmasks a legacy line.
    fn mask_line(&self, line: u8, masked: bool);

    /// The IOMMUs, if there are any.
    fn iommu(&self) -> Option<&dyn Iommu> {
        None
    }

    /// Operates on a host file; `None` where there are none or on an error.
    fn host_file(&self, file: u64, request: HostFileRequest<'_>) -> Option<u64>;
}

/// What the machine found before it started the kernel core.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// Free RAM: neither kernel, archive, tables nor firmware. Page-aligned.
    pub free_memory: &'static [PhysicalRange],
    /// Memory in which the machine has put its page tables.
    pub sealed_memory: SealedMemory,
    /// The boot archive as the loader left it, mapped read-only for ever. Nobody
    /// but the core may read it, which checks its signature first.
    pub archive: &'static [u8],
    /// The command line, separated by spaces; see [`BootInfo::has_option`].
    pub options: &'static str,
    /// Kernel code range `start..end`, to tell its faults from domains'.
    pub kernel_text: (usize, usize),
    /// The running kernel's ELF symbols for backtraces, if at hand; else the boot
    /// archive's are used.
    pub kernel_image: Option<&'static [u8]>,
}

impl BootInfo {
    /// Whether an option is given. The core knows `pci=nomsi` (devices interrupt
    /// by their lines, for machines on which messages get lost), and
    /// `selftest=panic` and `selftest=exception` (the kernel ends by them); see
    /// [`get_option`] for one more.
    #[must_use]
    pub fn has_option(&self, option: &str) -> bool {
        let mut given = self.options.split_ascii_whitespace();
        given.any(|given| given == option)
    }
}

/// What follows `key` in an option that begins with it. The core knows `starve=NAME`
/// ([`crate::famine`]).
pub(crate) fn get_option(key: &str) -> Option<&'static str> {
    let options = crate::boot::options();
    let mut given = options.split_ascii_whitespace();
    given.find_map(|option| option.strip_prefix(key))
}

/// The machine, once it is known.
struct Current(core::cell::UnsafeCell<Option<&'static dyn Machine>>);

// SAFETY: written once by the boot CPU before anything else runs.
unsafe impl Sync for Current {}

static CURRENT: Current = Current(core::cell::UnsafeCell::new(None));

/// Makes the machine known.
///
/// # Safety
/// Called once, by the boot CPU, before any other function of this crate.
pub(crate) unsafe fn set(machine: &'static dyn Machine) {
    // SAFETY: the caller's contract: nobody reads yet.
    unsafe { *CURRENT.0.get() = Some(machine) }
}

/// The machine the kernel runs on.
#[must_use]
#[inline]
pub fn get() -> &'static dyn Machine {
    // SAFETY: never written after boot.
    let machine = unsafe { *CURRENT.0.get() };
    machine.expect("a machine starts the kernel before it does anything")
}
