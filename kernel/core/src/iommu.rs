//! What a driver's device reaches, where the machine has an IOMMU.
//!
//! Each domain that drives a function has one table of pages for all its functions.
//! Memory for devices ([`crate::device::allocate_dma`]) is in it from the start, and
//! what a driver lends its device ([`open`]) from then on. A function that nobody drives
//! reaches nothing.
//!
//! What is lent is an object of the exchange heap that has its pages for itself: nothing
//! lies beside it, and when it is freed the kernel knows. It leaves the table then
//! ([`free`]), or when the driver has it back ([`close`]), as the manifest says
//! ([`DmaMode`]); a table leaves its device when the domain dies ([`detach`]). A device
//! may go by what it remembers of a table, so nobody gets memory before it has forgotten.

mod quarantine;
pub mod table;

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use abi::PAGE_SIZE;
use abi::death::DeathCause;
use abi::device::{DmaMode, Lease, PciAddress};
use abi::status::ServiceError;

use self::quarantine::Quarantine;
use self::table::{Access, Memory, Opened, Table};
use crate::charge::Charge;
use crate::death::{self, RawCrash};
use crate::domain::Domain;
use crate::machine::{self, Guarding, Iommu, Machine, Refused};
use crate::sync::SpinLock;
use crate::{exchange, frames, memory, pci};

/// Most drivers with a table.
const MAX_TABLES: usize = 32;
/// Most functions that are driven.
const MAX_FUNCTIONS: usize = 64;
/// Number in leases of all drivers whose devices nothing guards against.
const UNGUARDED: u32 = 1;
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
    freed: Quarantine::new(),
    last_number: UNGUARDED,
});

/// Who goes by what.
struct Guards {
    /// Tables there may be.
    most: usize,
    /// A table's number is one more than its place.
    tables: [Option<Guard>; MAX_TABLES],
    /// Functions, each with the place of its table.
    functions: [Option<(u32, usize)>; MAX_FUNCTIONS],
    /// What was lent and is freed.
    freed: Quarantine,
    /// The last table's number in leases.
    last_number: u32,
}

/// A driver's table.
struct Guard {
    driver: &'static Domain,
    table: Table,
    mode: DmaMode,
    /// In leases of its device's; no other table had it for long.
    number: u32,
    /// Its device may remember pages that were taken out.
    is_stale: bool,
    /// What its device tried and was refused.
    fault: Option<Refused>,
}

/// Tables that a domain is charged for.
struct TablesOf(&'static Domain, &'static dyn Iommu);

/// The entries of tables.
struct Entries;

impl table::Entries for Entries {
    #[inline]
    fn entry(&self, frame: u64, index: usize) -> &AtomicU64 {
        entry(frame, index)
    }
}

impl table::Entries for TablesOf {
    #[inline]
    fn entry(&self, frame: u64, index: usize) -> &AtomicU64 {
        entry(frame, index)
    }
}

/// An entry of the table in `frame`.
#[inline]
fn entry<'a>(frame: u64, index: usize) -> &'a AtomicU64 {
    debug_assert!(index < table::ENTRIES);
    // SAFETY: the frame is a table of a living driver's: nothing but words, which are read
    // and written as atomics only.
    unsafe { &*memory::direct(frame).cast::<AtomicU64>().add(index) }
}

impl Memory for TablesOf {
    fn allocate(&self) -> Option<u64> {
        let charge = Charge::new(self.0, 1)?;
        let frame = frames::allocate(1)?;
        // The domain is dead when its tables are freed, and its account closed.
        charge.keep();
        for index in 0..table::ENTRIES {
            self.write(entry(frame, index), 0);
        }
        Some(frame)
    }

    fn free(&self, frame: u64) {
        frames::free(frame, 1);
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

/// Lets a function that `driver` has just claimed go by its table, or have all memory, as
/// `mode` says; how it is guarded then, and its driver's number in leases.
///
/// # Errors
/// `NoMemory`: the function reaches nothing; `Io`.
pub(crate) fn attach(
    driver: &'static Domain,
    function: u32,
    mode: DmaMode,
) -> Result<(DmaMode, u32), ServiceError> {
    let Some(iommu) = active() else {
        return Ok((DmaMode::Open, UNGUARDED));
    };
    let mut guards = GUARDS.lock();
    let place = guards
        .place_of(driver, iommu)
        .ok_or(ServiceError::NoMemory)?;
    let mut functions = guards.functions.iter().flatten();
    if functions.any(|one| one.0 == function) {
        return Ok(guards.guarding(place));
    }
    let mut rooms = guards.functions.iter_mut();
    let room = rooms.find(|room| room.is_none());
    *room.ok_or(ServiceError::NoMemory)? = Some((function, place));
    let guard = guards.tables[place].as_mut();
    let guard = guard.ok_or(ServiceError::NoMemory)?;
    guard.mode = mode;
    let (address, number) = (PciAddress(function), number(place));
    if mode == DmaMode::Open && iommu.has_pass_through() {
        let attached = iommu.attach_open(address, number);
        attached.map_err(|_| ServiceError::Io)?;
        log::warn!("iommu: {function:04x}: nothing guards against it, as its manifest says");
        return Ok(guards.guarding(place));
    }
    if mode == DmaMode::Open {
        log::warn!("iommu: {function:04x}: it is guarded: this IOMMU cannot pass all through");
        guard.mode = DmaMode::Leased;
    }
    let root = guard.table.root;
    let attached = iommu.attach(address, number, root);
    attached.map_err(|_| ServiceError::Io)?;
    driver.set_device_table(root);
    Ok(guards.guarding(place))
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
        self.last_number = match self.last_number + 1 {
            number if number >> Lease::NUMBER_BITS == 0 => number,
            _ => UNGUARDED + 1,
        };
        self.tables[place] = Some(Guard {
            driver,
            table,
            mode: DmaMode::Leased,
            number: self.last_number,
            is_stale: false,
            fault: None,
        });
        Some(place)
    }

    /// How the functions are guarded that go by a table, and its number in leases.
    fn guarding(&self, place: usize) -> (DmaMode, u32) {
        let guard = self.tables[place].as_ref();
        guard.map_or((DmaMode::Leased, 0), |guard| match guard.mode {
            DmaMode::Open => (guard.mode, UNGUARDED),
            mode => (mode, guard.number),
        })
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
    let Some(table) = table_of(driver) else {
        return Some(address);
    };
    let is_open = table.is_open(&Entries, address, Access::Read);
    is_open.then_some(address)
}

/// Lets the device of `driver` read, or also write, an object; the device address of its
/// first byte. In mode `Leased` that is noted in the object, so that its driver need not
/// ask again.
///
/// # Errors
/// `NotWholePages` for no object, or one that has not its own pages: the driver has the
/// device work on a copy, which is counted. `NoMemory`.
pub(crate) fn open(
    driver: &'static Domain,
    object: Option<*const u8>,
    bytes: usize,
    access: Access,
) -> Result<u64, ServiceError> {
    // SAFETY: who lends an object of its own has it.
    let lend = |object| unsafe { exchange::lend(object, bytes, driver.id()) };
    let lease = object.and_then(lend);
    let Some(iommu) = table_of(driver).and_then(|_| active()) else {
        let start = object.filter(|start| memory::is_direct(*start as usize));
        let start = memory::physical(start.ok_or(ServiceError::Invalid)?.cast_mut());
        if let Some(lease) = lease {
            lease.store(Lease::new(UNGUARDED, start, true).0, Ordering::Relaxed);
        }
        return Ok(start);
    };
    let Some((start, lease)) = object.zip(lease) else {
        driver.bounces.add(driver.generation(), 1);
        return Err(ServiceError::NotWholePages);
    };
    let start = memory::physical(start.cast_mut());
    let mut guards = GUARDS.lock();
    let place = guards.find(driver.id()).ok_or(ServiceError::Invalid)?;
    let guard = guards.tables[place].as_mut().ok_or(ServiceError::Invalid)?;
    for page in (start..start + bytes as u64).step_by(PAGE_SIZE) {
        guard.open_page(&TablesOf(driver, iommu), place, page, access)?;
    }
    if guard.mode == DmaMode::Leased {
        let is_written = access == Access::ReadWrite;
        let lease_of = Lease::new(guard.number, start, is_written);
        lease.store(lease_of.0, Ordering::Relaxed);
    }
    Ok(start)
}

/// Takes what [`open`] let the device of `driver` use out of its reach, once it has
/// forgotten that ([`forget_closed`]).
pub(crate) fn close(driver: &'static Domain, start: usize, bytes: usize) {
    let Some((iommu, table)) = active().zip(table_of(driver)) else {
        return;
    };
    if !memory::is_direct(start) {
        return;
    }
    let start = memory::physical(start as *mut u8);
    let mut guards = GUARDS.lock();
    if let Some(place) = guards.find(driver.id())
        && let Some(guard) = &mut guards.tables[place]
    {
        let pages = start..start.saturating_add(bytes as u64);
        guard.is_stale |= table.close(&TablesOf(driver, iommu), pages);
    }
}

/// Waits until the devices of `driver` reach nothing of what was closed.
///
/// # Errors
/// `Io`: the IOMMU does not answer.
pub(crate) fn forget_closed(driver: &'static Domain) -> Result<(), ServiceError> {
    let Some(iommu) = active() else {
        return Ok(());
    };
    let mut guards = GUARDS.lock();
    let Some(place) = guards.find(driver.id()) else {
        return Ok(());
    };
    let guard = guards.tables[place].as_mut();
    guard.map_or(Ok(()), |guard| guard.forget(iommu, place))
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
    let Some(iommu) = active() else {
        return Ok(());
    };
    let mut guards = GUARDS.lock();
    let Some(place) = guards.find(driver.id()) else {
        return Ok(());
    };
    let guard = guards.tables[place].as_mut().ok_or(ServiceError::Invalid)?;
    let tables = TablesOf(driver, iommu);
    let mut pages = (0..pages).map(|index| address + (index * PAGE_SIZE) as u64);
    pages.try_for_each(|page| guard.open_page(&tables, place, page, Access::ReadWrite))
}

impl Guard {
    fn open_page(
        &mut self,
        tables: &TablesOf,
        place: usize,
        address: u64,
        access: Access,
    ) -> Result<(), ServiceError> {
        match self.table.open(tables, address, access) {
            Some(Opened::Yes) => Ok(()),
            Some(Opened::OnceForgotten) => {
                self.is_stale = true;
                self.forget(tables.1, place)
            }
            None => Err(ServiceError::NoMemory),
        }
    }

    /// Makes devices forget what was taken out of the table, if they may remember it.
    fn forget(&mut self, iommu: &dyn Iommu, place: usize) -> Result<(), ServiceError> {
        if self.is_stale {
            let driver = self.driver;
            driver.device_waits.add(driver.generation(), 1);
            let forgotten = iommu.forget(number(place));
            forgotten.map_err(|_| ServiceError::Io)?;
            self.is_stale = false;
        }
        Ok(())
    }
}

/// All tables, for what leaves them.
struct Reached<'a> {
    tables: &'a mut [Option<Guard>],
    iommu: &'static dyn Iommu,
}

impl quarantine::Tables for Reached<'_> {
    fn close(&mut self, frames: Range<u64>) -> bool {
        let mut is_stale = false;
        for guard in self.tables.iter_mut().flatten() {
            let tables = TablesOf(guard.driver, self.iommu);
            guard.is_stale |= guard.table.close(&tables, frames.clone());
            is_stale |= guard.is_stale;
        }
        is_stale
    }

    /// # Panics
    /// If an IOMMU does not answer: whoever gets the frames would not be safe.
    fn forget(&mut self) {
        for (place, guard) in self.tables.iter_mut().enumerate() {
            let forgotten = guard.as_mut().map(|guard| guard.forget(self.iommu, place));
            let is_broken = forgotten.is_some_and(|forgotten| forgotten.is_err());
            assert!(!is_broken, "an IOMMU that was started answers");
        }
    }

    fn free(&mut self, address: u64, pages: usize) {
        frames::free(address, pages);
    }
}

/// Does something with what is freed, and the tables.
fn with_freed<R>(work: impl FnOnce(&mut Quarantine, &mut Reached<'_>) -> R) -> Option<R> {
    let iommu = active()?;
    let mut guards = GUARDS.lock();
    let Guards { tables, freed, .. } = &mut *guards;
    Some(work(freed, &mut Reached { tables, iommu }))
}

/// Frees frames that were lent, now or once devices have forgotten them.
pub(crate) fn free(address: u64, pages: usize) {
    let freed = with_freed(|freed, tables| freed.add(tables, address, pages));
    if freed.is_none() {
        frames::free(address, pages);
    }
}

/// Frees all that waits for devices to forget it; whether there was any.
pub(crate) fn release_freed() -> bool {
    with_freed(|freed, tables| {
        let has_some = freed.pages() != 0;
        freed.release(tables);
        has_some
    })
    .unwrap_or(false)
}

/// Takes a driver's own memory, which is about to be freed, out of its device's reach.
///
/// # Panics
/// If an IOMMU does not answer.
pub(crate) fn take_away(address: u64, pages: usize) {
    use quarantine::Tables;
    with_freed(|_, tables| {
        if tables.close(address..address + (pages * PAGE_SIZE) as u64) {
            tables.forget();
        }
    });
}

/// Keeps the devices of a dying domain away from memory; on return they reach none.
///
/// # Panics
/// If an IOMMU does not answer: whoever gets the memory would not be safe.
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
