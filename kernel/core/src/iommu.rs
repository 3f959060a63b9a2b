//! What a driver's device reaches, where the machine has an IOMMU.
//!
//! Each domain that drives a function has one table of pages for all its functions.
//! Memory for devices ([`crate::device::allocate_dma`]) is in it from the start, and
//! what a driver lends its device ([`open`]) from then on. A page leaves the table
//! when its frame is freed ([`forget`]), and a table its device when the domain dies
//! ([`detach`]), in both cases before anybody else gets the memory. A function that
//! nobody drives reaches nothing.
//!
//! What is lent is whole pages, so that a device reaches nothing that lies beside a
//! buffer. A page that was lent once is reached until it is freed: `docs/threat-model.md`.

pub mod table;

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use abi::PAGE_SIZE;
use abi::death::DeathCause;
use abi::device::PciAddress;
use abi::status::ServiceError;

use self::table::{Access, Memory, Opened, Table};
use crate::charge::Charge;
use crate::death::{self, RawCrash};
use crate::domain::Domain;
use crate::machine::{self, Guarding, Iommu, Machine, Refused};
use crate::sync::SpinLock;
use crate::{frames, memory, pci};

/// Most drivers with a table.
const MAX_TABLES: usize = 32;
/// Most functions that are driven.
const MAX_FUNCTIONS: usize = 64;
/// Buses there can be.
const BUSES: usize = 256;

/// Whether devices are guarded. Set before the first driver starts, if ever.
static IS_ON: AtomicBool = AtomicBool::new(false);
/// Levels of a table.
static LEVELS: AtomicU32 = AtomicU32::new(0);

static GUARDS: SpinLock<Guards> = SpinLock::new(Guards {
    most: 0,
    tables: [const { None }; MAX_TABLES],
    functions: [None; MAX_FUNCTIONS],
});

/// Who goes by what.
struct Guards {
    /// Tables there may be.
    most: usize,
    /// A table's number is one more than its place.
    tables: [Option<Guard>; MAX_TABLES],
    /// Functions, each with the place of its table.
    functions: [Option<(u32, usize)>; MAX_FUNCTIONS],
}

/// A driver's table.
struct Guard {
    driver: &'static Domain,
    table: Table,
    /// What its device tried and was refused.
    fault: Option<Refused>,
}

/// Tables that a domain is charged for.
struct TablesOf(&'static Domain, &'static dyn Iommu);

impl Memory for TablesOf {
    fn allocate(&self) -> Option<u64> {
        let charge = Charge::new(self.0, 1)?;
        let frame = frames::allocate(1)?;
        // The domain is dead when its tables are freed, and its account closed.
        charge.keep();
        for index in 0..table::ENTRIES {
            self.write(self.entry(frame, index), 0);
        }
        Some(frame)
    }

    fn free(&self, frame: u64) {
        // No device's memory, so there is nothing to forget.
        frames::free_unlent(frame, 1);
    }

    #[inline]
    fn entry(&self, frame: u64, index: usize) -> &AtomicU64 {
        debug_assert!(index < table::ENTRIES);
        // SAFETY: the frame is a table of a living driver's: nothing but words, which
        // are read and written as atomics only.
        unsafe { &*memory::direct(frame).cast::<AtomicU64>().add(index) }
    }

    fn write(&self, entry: &AtomicU64, value: u64) {
        self.1.write(entry, value);
    }
}

/// Begins to guard devices, if that can be done, and says if not. Once at boot, after
/// functions were found.
pub fn init(machine: &'static dyn Machine) {
    if machine.pci_last_bus().is_none() {
        return;
    }
    let Some(iommu) = machine.iommu() else {
        log::warn!("iommu: none; devices are not guarded");
        return;
    };
    let mut buses = [0; BUSES];
    let mut count = 0;
    for bus in (0..).map_while(|index| Some((pci::list(index)?.address >> 8) as u8)) {
        if count < BUSES && !buses[..count].contains(&bus) {
            buses[count] = bus;
            count += 1;
        }
    }
    match iommu.start(&buses[..count], machine.device_vectors() - 1) {
        Ok(guarding) => turn_on(guarding),
        Err(error) => log::warn!("iommu: unusable ({error:?}); devices are not guarded"),
    }
}

fn turn_on(guarding: Guarding) {
    LEVELS.store(guarding.levels, Ordering::Relaxed);
    GUARDS.lock().most = MAX_TABLES.min(guarding.tables as usize - 1);
    IS_ON.store(true, Ordering::Release);
    log::info!("iommu: devices reach what their drivers own or were lent");
    if guarding.checks_interrupts {
        log::info!("iommu: devices raise the interrupts that they were given");
    } else {
        log::warn!("iommu: interrupts are not remapped; a device can forge any");
    }
}

/// The machine's IOMMU, if devices are guarded.
fn active() -> Option<&'static dyn Iommu> {
    let is_on = IS_ON.load(Ordering::Acquire);
    is_on.then(|| machine::get().iommu())?
}

/// The vector by which refused accesses are reported; no device gets it.
pub(crate) fn fault_vector() -> Option<usize> {
    active().map(|_| machine::get().device_vectors() - 1)
}

/// Gives a function that `driver` has just claimed its table; whether devices are
/// guarded.
///
/// # Errors
/// `NoMemory`: the function reaches nothing; `Io`.
pub(crate) fn attach(driver: &'static Domain, function: u32) -> Result<bool, ServiceError> {
    let Some(iommu) = active() else {
        return Ok(false);
    };
    let mut guards = GUARDS.lock();
    if guards
        .functions
        .iter()
        .flatten()
        .any(|one| one.0 == function)
    {
        return Ok(true);
    }
    let place = guards
        .place_of(driver, iommu)
        .ok_or(ServiceError::NoMemory)?;
    let mut rooms = guards.functions.iter_mut();
    let room = rooms.find(|room| room.is_none());
    *room.ok_or(ServiceError::NoMemory)? = Some((function, place));
    let guard = guards.tables[place].as_ref();
    let root = guard.map_or(0, |guard| guard.table.root);
    iommu
        .attach(PciAddress(function), number(place), root)
        .map_err(|_| ServiceError::Io)?;
    driver.set_device_table(root);
    Ok(true)
}

/// A table's number, as the machine knows it.
fn number(place: usize) -> u16 {
    place as u16 + 1
}

impl Guards {
    /// Where a driver's table is; a new one if it has none.
    fn place_of(&mut self, driver: &'static Domain, iommu: &'static dyn Iommu) -> Option<usize> {
        if let Some(place) = self.find(driver.id()) {
            return Some(place);
        }
        let mut places = self.tables[..self.most].iter();
        let place = places.position(Option::is_none)?;
        let table = Table::new(&TablesOf(driver, iommu), LEVELS.load(Ordering::Relaxed))?;
        self.tables[place] = Some(Guard {
            driver,
            table,
            fault: None,
        });
        Some(place)
    }

    fn find(&self, owner: u64) -> Option<usize> {
        let is_owned = |guard: &Guard| guard.driver.id() == owner;
        let mut tables = self.tables.iter();
        tables.position(|guard| guard.as_ref().is_some_and(is_owned))
    }

    /// Notes the faults there are at their drivers'.
    fn collect_faults(&mut self, iommu: &dyn Iommu) {
        while let Some(fault) = iommu.take_fault() {
            let mut functions = self.functions.iter().flatten();
            let place = functions
                .find(|one| one.0 == fault.function)
                .map(|one| one.1);
            let guard = place.and_then(|place| self.tables[place].as_mut());
            if let Some(guard) = guard {
                guard.fault.get_or_insert(fault.refused);
            }
        }
    }
}

/// The table that a domain's devices go by, if they are guarded.
#[inline]
fn table_of(driver: &Domain) -> Option<Table> {
    let root = driver.device_table();
    (root != 0).then(|| Table {
        root,
        levels: LEVELS.load(Ordering::Relaxed),
    })
}

/// The physical address of a byte, if the device of `driver` reaches it.
#[inline]
pub(crate) fn physical_address(driver: &'static Domain, byte: usize) -> Option<u64> {
    let address = memory::translate(byte)?;
    let Some((iommu, table)) = active().zip(table_of(driver)) else {
        return Some(address);
    };
    let is_open = table.is_open(&TablesOf(driver, iommu), address, Access::Read);
    is_open.then_some(address)
}

/// Lets the device of `driver` read, or also write, some pages from now on. Where it
/// could before, no lock is taken.
///
/// # Errors
/// `NotWholePages` if other bytes lie on them: the driver has the device work on a copy,
/// which is counted. `NoMemory`; `Invalid` for what is in no heap.
pub(crate) fn open(
    driver: &'static Domain,
    bytes: Range<usize>,
    access: Access,
) -> Result<(), ServiceError> {
    let Some((iommu, table)) = active().zip(table_of(driver)) else {
        return Ok(());
    };
    if !bytes.start.is_multiple_of(PAGE_SIZE) || !bytes.end.is_multiple_of(PAGE_SIZE) {
        driver.bounces.add(driver.generation(), 1);
        return Err(ServiceError::NotWholePages);
    }
    let tables = TablesOf(driver, iommu);
    for page in bytes.step_by(PAGE_SIZE) {
        let address = memory::translate(page).ok_or(ServiceError::Invalid)?;
        if table.is_open(&tables, address, access) {
            continue;
        }
        if !memory::is_direct(page) {
            return Err(ServiceError::Invalid);
        }
        open_page(&tables, table, address, access)?;
    }
    Ok(())
}

/// Lets a device use physically contiguous memory that is its driver's alone.
///
/// # Errors
/// `NoMemory`
pub(crate) fn open_own(
    driver: &'static Domain,
    address: u64,
    pages: usize,
) -> Result<(), ServiceError> {
    let Some((iommu, table)) = active().zip(table_of(driver)) else {
        return Ok(());
    };
    let tables = TablesOf(driver, iommu);
    let page = |index: usize| address + (index * PAGE_SIZE) as u64;
    (0..pages).try_for_each(|index| open_page(&tables, table, page(index), Access::ReadWrite))
}

fn open_page(
    tables: &TablesOf,
    table: Table,
    address: u64,
    access: Access,
) -> Result<(), ServiceError> {
    let guards = GUARDS.lock();
    let opened = table.open(tables, address, access);
    if opened == Some(Opened::OnceForgotten)
        && let Some(place) = guards.find(tables.0.id())
    {
        return forget_table(tables.1, tables.0, place);
    }
    opened.map(|_| ()).ok_or(ServiceError::NoMemory)
}

fn forget_table(iommu: &dyn Iommu, driver: &Domain, place: usize) -> Result<(), ServiceError> {
    driver.device_waits.add(driver.generation(), 1);
    iommu.forget(number(place)).map_err(|_| ServiceError::Io)
}

/// Takes frames that are about to be freed out of every table; on return no device
/// reaches them.
///
/// # Panics
/// If an IOMMU does not answer: whoever gets the frames would not be safe.
#[inline]
pub(crate) fn forget(address: u64, pages: usize) {
    if IS_ON.load(Ordering::Acquire) {
        forget_everywhere(address..address + (pages * PAGE_SIZE) as u64);
    }
}

fn forget_everywhere(frames: Range<u64>) {
    let Some(iommu) = active() else {
        return;
    };
    let guards = GUARDS.lock();
    for (place, guard) in guards.tables.iter().enumerate() {
        let Some(Guard { driver, table, .. }) = guard else {
            continue;
        };
        if table.close(&TablesOf(driver, iommu), frames.clone()) {
            forget_table(iommu, driver, place).expect("an IOMMU that was started answers");
        }
    }
}

/// Keeps the devices of a dying domain away from memory; on return they reach none.
///
/// # Panics
/// As [`forget`].
pub(crate) fn detach(owner: u64) {
    let Some(iommu) = active() else {
        return;
    };
    let mut guards = GUARDS.lock();
    let Some(place) = guards.find(owner) else {
        return;
    };
    for index in 0..MAX_FUNCTIONS {
        if let Some((function, of)) = guards.functions[index]
            && of == place
        {
            iommu
                .detach(PciAddress(function), number(place))
                .expect("an IOMMU that was started answers");
        }
    }
    // What it reached for until now is nothing to the next driver.
    guards.collect_faults(iommu);
    guards.functions.iter_mut().for_each(|room| {
        room.take_if(|room| room.1 == place);
    });
}

/// Frees the table of a dead domain, whose devices were detached.
pub(crate) fn release(owner: u64) {
    let Some(iommu) = active() else {
        return;
    };
    let mut guards = GUARDS.lock();
    let Some(place) = guards.find(owner) else {
        return;
    };
    if let Some(Guard { driver, table, .. }) = guards.tables[place].take() {
        driver.set_device_table(0);
        table.free(&TablesOf(driver, iommu));
    }
}

/// Whether a domain has a table.
pub(crate) fn has_table(owner: u64) -> bool {
    active().is_some() && GUARDS.lock().find(owner).is_some()
}

/// Ends the drivers whose devices reached for what they were not given. By a thread of
/// the kernel's.
pub(crate) fn end_faulty() {
    let Some(iommu) = active() else {
        return;
    };
    for place in 0..MAX_TABLES {
        let faulty = {
            let mut guards = GUARDS.lock();
            guards.collect_faults(iommu);
            let guard = guards.tables[place].as_mut();
            guard.and_then(|guard| Some((guard.driver, guard.fault.take()?)))
        };
        if let Some((driver, refused)) = faulty {
            let (address, text) = match refused {
                Refused::Access { address, .. } => (address, ""),
                Refused::Interrupt { address, reason } => (address, reason.text()),
            };
            let crash = RawCrash {
                cause: Some(DeathCause::DeviceFault),
                address: usize::try_from(address).unwrap_or(usize::MAX),
                ..RawCrash::EMPTY
            };
            let crash = Some((&crash, text.as_bytes()));
            death::begin(driver, DeathCause::DeviceFault, crash);
        }
    }
}
