//! A modelled NVMe controller: queues, doorbells, PRPs, faults on demand.
//!
//! It executes what the specification says a controller does with the memory
//! a driver gives it. What a driver must not do is noted in
//! [`Device::violations`] and asserted to be nothing at the end of a test.

mod execute;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use hardware::DmaMode;
use hardware::host::HostMemory;
use hardware::{
    BouncePool, Closing, DmaRegion, InterruptLine, Loan, Place, Platform, Registers, ServiceError,
};
use nvme::driver::Driver;
use nvme::error::StartFailure;
use nvme::registers as reg;
use nvme::settings::Settings;

/// What to build.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub sectors: u64,
    pub sector_power: u8,
    /// MDTS, a power of two of 4 KiB pages; 0: no limit.
    pub mdts: u8,
    /// MQES + 1.
    pub max_entries: u16,
    pub has_cache: bool,
    pub is_read_only: bool,
    pub metadata_bytes: u16,
    pub min_page_power: u8,
    pub namespace: u32,
    /// Doorbell stride exponent (CAP.DSTRD).
    pub stride: u8,
    /// Commands are executed when rung for, not when the driver rests.
    pub is_prompt: bool,
    /// Pairs of I/O queues the controller has.
    pub queues: u16,
    /// CPUs of the machine; threads say by [`run_on_cpu`] which one is theirs.
    pub cpus: usize,
    /// How an IOMMU guards against it.
    pub dma: DmaMode,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            sectors: 4096,
            sector_power: 9,
            mdts: 2,
            max_entries: 1024,
            has_cache: true,
            is_read_only: false,
            metadata_bytes: 0,
            min_page_power: 12,
            namespace: 1,
            stride: 0,
            is_prompt: true,
            queues: 8,
            cpus: 1,
            dma: DmaMode::Open,
        }
    }
}

/// Faults to inject.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// I/O commands to swallow from now on.
    pub drop_commands: usize,
    /// Statuses for the next I/O commands, 0 for success.
    pub statuses: Vec<u16>,
    /// Interrupts are not delivered.
    pub lose_interrupts: bool,
    /// CSTS.RDY stays set when CC.EN is cleared.
    pub never_stops: bool,
    /// CSTS.RDY stays clear when CC.EN is set.
    pub never_starts: bool,
    /// Every register reads as ones.
    pub is_gone: bool,
    /// Completions are for the command with these bits of its identifier flipped.
    pub flips_identifiers: u16,
    /// Completions are for the submission queue with these bits flipped.
    pub flips_queues: u16,
    /// Completions leave out a place of their queue.
    pub skips_places: bool,
    /// Completions are posted last first.
    pub reverses_order: bool,
}

#[derive(Debug)]
pub struct SubmissionQueue {
    base: u64,
    entries: u16,
    head: u16,
    tail: u16,
    completion: u16,
}

#[derive(Debug)]
pub struct CompletionQueue {
    base: u64,
    entries: u16,
    head: u16,
    tail: u16,
    phase: bool,
    interrupts: bool,
    /// Completions for which there is no room.
    held: Vec<[u64; 2]>,
}

/// The device.
#[derive(Debug)]
pub struct Device {
    pub memory: Arc<HostMemory>,
    pub shape: Shape,
    pub faults: Faults,
    pub storage: Vec<u8>,
    pub violations: Vec<String>,
    pub doorbells: usize,
    pub interrupts: u64,
    pub flushes: usize,
    pub commands: usize,
    /// I/O commands by queue.
    pub commands_of: BTreeMap<u16, usize>,
    pub resets: usize,
    now_ns: u64,
    configuration: u32,
    is_ready: bool,
    attributes: u32,
    admin_bases: [u64; 2],
    submission: BTreeMap<u16, SubmissionQueue>,
    completion: BTreeMap<u16, CompletionQueue>,
}

/// Registers, platform and interrupt of one modelled device.
#[derive(Clone, Debug)]
pub struct Model(Arc<Mutex<Device>>, Arc<HostMemory>);

pub type TestDriver = Driver<Model, Model, Model>;

impl Model {
    pub fn new(shape: Shape) -> Self {
        let bytes = (shape.sectors << shape.sector_power) as usize;
        let memory = Arc::new(HostMemory::guarded(shape.dma));
        let device = Device {
            memory: Arc::clone(&memory),
            shape,
            faults: Faults::default(),
            storage: (0..bytes).map(|index| (index * 7 % 251) as u8).collect(),
            violations: Vec::new(),
            doorbells: 0,
            interrupts: 0,
            flushes: 0,
            commands: 0,
            commands_of: BTreeMap::new(),
            resets: 0,
            now_ns: 1,
            configuration: 0,
            is_ready: false,
            attributes: 0,
            admin_bases: [0; 2],
            submission: BTreeMap::new(),
            completion: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(device)), memory)
    }

    pub fn device(&self) -> MutexGuard<'_, Device> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn start(&self, settings: Settings) -> Result<TestDriver, StartFailure> {
        let bind = |lane| Some((self.clone(), lane as u16 + 1));
        Driver::start(self.clone(), Arc::new(self.clone()), bind, settings)
    }

    /// Nothing forbidden happened and no buffer is with the device.
    pub fn assert_clean(&self) {
        let device = self.device();
        assert_eq!(device.violations, Vec::<String>::new());
        assert_eq!(device.memory.open_buffers(), 0, "buffers with the device");
    }
}

impl Device {
    /// Lets time pass.
    pub fn pass(&mut self, time_ns: u64) {
        self.now_ns += time_ns;
    }

    fn capabilities(&self) -> u64 {
        let entries = u64::from(self.shape.max_entries) - 1;
        let timeout = 2 << 24;
        let stride = u64::from(self.shape.stride) << 32;
        let page = u64::from(self.shape.min_page_power - 12) << 48;
        entries | timeout | stride | 1 << 37 | page
    }

    fn configure(&mut self, value: u32) {
        let was = self.configuration & reg::CC_EN != 0;
        let is = value & reg::CC_EN != 0;
        self.configuration = value;
        if is && !was {
            if value != reg::CC_ENABLED {
                self.violations.push(format!("configured as {value:#x}"));
            }
            self.is_ready = !self.faults.never_starts;
            self.create_admin();
        } else if was && !is && !self.faults.never_stops {
            self.is_ready = false;
            self.resets += 1;
            self.submission.clear();
            self.completion.clear();
        }
    }

    fn create_admin(&mut self) {
        let [submission, completion] = self.admin_bases;
        let entries = self.attributes as u16 & 0xFFF;
        let completion_entries = (self.attributes >> 16) as u16 & 0xFFF;
        self.add_completion(0, completion, completion_entries + 1, false);
        self.add_submission(0, submission, entries + 1, 0);
    }

    pub fn add_submission(&mut self, number: u16, base: u64, entries: u16, completion: u16) {
        let queue = SubmissionQueue {
            base,
            entries,
            head: 0,
            tail: 0,
            completion,
        };
        self.submission.insert(number, queue);
    }

    pub fn add_completion(&mut self, number: u16, base: u64, entries: u16, interrupts: bool) {
        let queue = CompletionQueue {
            base,
            entries,
            head: 0,
            tail: 0,
            phase: true,
            interrupts,
            held: Vec::new(),
        };
        self.completion.insert(number, queue);
    }

    fn ring(&mut self, offset: usize, value: u32) {
        let index = (offset - 0x1000) / (4 << self.shape.stride);
        let number = (index / 2) as u16;
        let value = value as u16;
        self.doorbells += usize::from(number != 0);
        let is_known = if index.is_multiple_of(2) {
            self.submission.get_mut(&number).is_some_and(|queue| {
                queue.tail = value;
                value < queue.entries
            })
        } else {
            self.completion.get_mut(&number).is_some_and(|queue| {
                queue.head = value;
                value < queue.entries
            })
        };
        if !is_known {
            self.violations
                .push(format!("doorbell {offset:#x} rung with {value}"));
        }
        self.post_held();
        if self.shape.is_prompt || number == 0 {
            self.step();
        }
    }
}

impl Registers for Model {
    fn bytes(&self) -> usize {
        0x4000
    }

    fn read32(&self, offset: usize) -> u32 {
        let device = self.device();
        match offset {
            _ if device.faults.is_gone => u32::MAX,
            reg::CC => device.configuration,
            reg::CSTS => device.is_ready.into(),
            _ => 0,
        }
    }

    fn write32(&self, offset: usize, value: u32) {
        let mut device = self.device();
        match offset {
            reg::CC => device.configure(value),
            reg::AQA => device.attributes = value,
            0x1000.. => device.ring(offset, value),
            _ => device.violations.push(format!("write to {offset:#x}")),
        }
    }

    fn read64(&self, offset: usize) -> u64 {
        let device = self.device();
        match offset {
            _ if device.faults.is_gone => u64::MAX,
            reg::CAP => device.capabilities(),
            _ => 0,
        }
    }

    fn write64(&self, offset: usize, value: u64) {
        let mut device = self.device();
        match offset {
            reg::ASQ => device.admin_bases[0] = value,
            reg::ACQ => device.admin_bases[1] = value,
            _ => device.violations.push(format!("write to {offset:#x}")),
        }
    }
}

impl Platform for Model {
    fn allocate(&self, pages: usize) -> Option<DmaRegion> {
        Some(self.device().memory.allocate(pages))
    }

    fn physical_address(&self, byte: Place) -> Option<u64> {
        self.device().memory.physical_address(byte)
    }

    fn open(&self, loan: &Loan) -> Option<u64> {
        self.device().memory.open(loan)
    }

    fn bounces(&self) -> &BouncePool {
        self.1.bounces()
    }

    fn close(&self, loan: &Loan) -> Option<Closing> {
        self.device().memory.close(loan)
    }

    fn settle(&self, closing: Closing) {
        self.device().memory.settle(closing);
    }

    fn now_ns(&self) -> u64 {
        let mut device = self.device();
        device.pass(100);
        device.now_ns
    }

    fn sleep_until(&self, deadline_ns: u64) {
        let mut device = self.device();
        device.now_ns = device.now_ns.max(deadline_ns);
        device.step();
    }

    fn cpu_count(&self) -> usize {
        self.device().shape.cpus
    }

    fn current_cpu(&self) -> usize {
        CPU.get()
    }
}

thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

/// Makes this thread run on a CPU of the modelled machine.
#[allow(dead_code, reason = "not every test needs several CPUs")]
pub fn run_on_cpu(cpu: usize) {
    CPU.set(cpu);
}

impl InterruptLine for Model {
    fn wait(&self, seen: u64, deadline_ns: u64) -> Result<u64, ServiceError> {
        let mut device = self.device();
        device.step();
        if device.interrupts == seen {
            device.now_ns = device.now_ns.max(deadline_ns);
            return Err(ServiceError::TimedOut);
        }
        Ok(device.interrupts)
    }
}
