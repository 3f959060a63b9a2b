//! What drivers were handed: interrupts, mapped registers, memory for devices.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::PAGE_SIZE;
use abi::death::InjectedFault;
use abi::device::{PciAddress, StopRecipe};
use abi::status::ServiceError;

use crate::charge::Charge;
use crate::domain::Domain;
use crate::heap::{self, SetAside};
use crate::interrupt::MAX_VECTORS;
use crate::machine::{self, Permission};
use crate::memory::{Frames, Reservation};
use crate::pci::function::whole_pages;
use crate::pci::registers::{MSIX_ENTRY_BYTES, MSIX_VECTOR_CONTROL};
use crate::pci::{self, ClaimError, InterruptSource};
use crate::sync::SpinLock;
use crate::{death, frames, inject, iommu, memory, scheduler, stop, wait};

/// Device registers mapped for a driver.
struct Registers {
    reservation: Reservation,
    address: u64,
}

struct Binding {
    owner: u64,
    function: u32,
    index: u32,
    line: Option<u8>,
    /// The mapped MSI-X table, kept while the vector is bound.
    table: Option<Registers>,
    /// Whether the vector is masked in that table.
    is_masked: bool,
}

impl Binding {
    /// Lets it interrupt, which it may have stopped to do.
    fn unmask(&mut self) {
        if let Some(line) = self.line {
            machine::get().mask_line(line, false);
        }
        self.mask(false);
    }

    /// Masks or unmasks the vector, if the function has a table to do it in.
    fn mask(&mut self, masked: bool) {
        if let Some(table) = &self.table
            && self.is_masked != masked
        {
            let entry = self.index as usize * MSIX_ENTRY_BYTES + MSIX_VECTOR_CONTROL;
            // SAFETY: the entry of a bound vector lies in the mapped table.
            unsafe { ((table.start() + entry) as *mut u32).write_volatile(masked.into()) };
            self.is_masked = masked;
        }
    }
}

struct Held {
    bindings: BTreeMap<usize, Binding>,
    registers: Vec<(u64, Registers)>,
    dma: BTreeMap<usize, DmaMemory>,
    /// How functions are stopped, with the mapped address of their registers.
    stops: Vec<Stop>,
}

/// Memory shared with a device.
struct DmaMemory {
    owner: u64,
    frames: Frames,
    /// Only the device writes to it.
    is_inbound: bool,
    _charge: Charge,
}

/// How the function that `owner` drives is stopped.
struct Stop {
    owner: u64,
    function: u32,
    control: usize,
    status: usize,
    recipe: StopRecipe,
}

/// Longest time a function may take to stop before it is reset instead.
/// Nothing else runs on this CPU meanwhile.
const STOP_NS: u64 = 20_000_000;

static HELD: SpinLock<Held> = SpinLock::new(Held {
    bindings: BTreeMap::new(),
    registers: Vec::new(),
    dma: BTreeMap::new(),
    stops: Vec::new(),
});

/// Interrupts each vector has raised, modulo 2^32; drivers wait for a change.
static COUNTS: [AtomicU32; MAX_VECTORS] = [const { AtomicU32::new(0) }; MAX_VECTORS];

/// Bound interrupts there are.
#[must_use]
pub fn interrupts() -> u64 {
    HELD.lock().bindings.len() as u64
}

/// A device interrupted. In thread context.
///
/// It does not again until its driver waits: one that looks at its queues by
/// itself is not disturbed. The function keeps what comes meanwhile pending. Of
/// a line that several functions share, each driver has to look.
pub(crate) fn interrupt_arrived(vector: usize) {
    if vector >= MAX_VECTORS {
        return;
    }
    if iommu::fault_vector() == Some(vector) {
        // The reaper ends whose device it was.
        return death::noticed();
    }
    let mut held = HELD.lock();
    let owner = held
        .bindings
        .get(&vector)
        .map_or(0, |binding| binding.owner);
    if inject::take_device_fault(owner, InjectedFault::LostInterrupt) {
        return;
    }
    let line = held.bindings.get_mut(&vector).and_then(|binding| {
        binding.mask(true);
        binding.line
    });
    let mut is_meant = [false; MAX_VECTORS];
    is_meant[vector] = true;
    for (&other, binding) in held.bindings.iter().filter(|_| line.is_some()) {
        is_meant[other] |= binding.line == line;
    }
    drop(held);
    for (count, _) in COUNTS
        .iter()
        .zip(is_meant)
        .filter(|(_, is_meant)| *is_meant)
    {
        count.fetch_add(1, Ordering::SeqCst);
        wait::wake(count, u32::MAX);
    }
}

/// Makes `owner` the driver of a function; waits out a reset under way.
///
/// # Errors
/// `Busy` while another domain has it; `NotFound`, `Io`.
pub fn claim(function: u32, owner: u64) -> Result<(), ServiceError> {
    loop {
        match pci::claim(function, owner) {
            Ok(()) => return Ok(()),
            Err(ClaimError::Resetting { until_ns }) => scheduler::sleep_until(until_ns)?,
            Err(ClaimError::Service(error)) => return Err(error),
        }
    }
}

/// Maps registers, without the pages that are closed to who asks.
///
/// # Errors
/// `NoMemory`; `Invalid` if no page is left.
fn map_registers(
    address: u64,
    bytes: u64,
    closed: &[Range<u64>],
) -> Result<Registers, ServiceError> {
    let pages = whole_pages(address, bytes);
    let count = |range: &Range<u64>| {
        usize::try_from((range.end - range.start) / PAGE_SIZE as u64)
            .map_err(|_| ServiceError::Invalid)
    };
    let mut reservation = Reservation::new(count(&pages)?).ok_or(ServiceError::NoMemory)?;
    let mut is_mapped = false;
    let mut at = pages.start;
    while at < pages.end {
        let open = open_part(at..pages.end, closed);
        if !open.is_empty() {
            reservation
                .map(
                    count(&(pages.start..open.start))?,
                    open.start,
                    count(&open)?,
                    Permission::Device,
                )
                .ok_or(ServiceError::NoMemory)?;
            is_mapped = true;
        }
        at = open.end;
    }
    let registers = Registers {
        reservation,
        address,
    };
    is_mapped.then_some(registers).ok_or(ServiceError::Invalid)
}

/// The first part of a range of pages that is not closed; an empty one at the end of
/// what is, if the range begins there.
fn open_part(pages: Range<u64>, closed: &[Range<u64>]) -> Range<u64> {
    let touching = |hole: &&Range<u64>| hole.start < pages.end && hole.end > pages.start;
    let holes = || closed.iter().filter(touching);
    if let Some(hole) = holes().find(|hole| hole.start <= pages.start) {
        let end = hole.end.min(pages.end);
        return end..end;
    }
    let end = holes().map(|hole| hole.start).min().unwrap_or(pages.end);
    pages.start..end
}

impl Registers {
    fn start(&self) -> usize {
        let skip = usize::try_from(self.address).unwrap_or(0) % PAGE_SIZE;
        self.reservation.start() + skip
    }
}

/// Maps a memory BAR of a function `owner` drives.
///
/// # Errors
/// `Invalid` for a foreign function, and for registers that are not the function's
/// alone or are ports or the MSI-X table; `NotFound`, `NoMemory`.
pub fn map_bar(function: u32, owner: u64, index: u32) -> Result<*mut u8, ServiceError> {
    let (bar, closed) = pci::registers(function, owner, index).inspect_err(|error| {
        if *error == ServiceError::Invalid {
            log::warn!("pci: {function:04x}: registers {index} are no memory of its own");
        }
    })?;
    if frames::has_any(&whole_pages(bar.address, bar.size)) {
        log::warn!("pci: {function:04x}: registers {index} lie over RAM");
        return Err(ServiceError::Invalid);
    }
    let known = HELD
        .lock()
        .registers
        .iter()
        .find_map(|(holder, registers)| {
            (*holder == owner && registers.address == bar.address).then(|| registers.start())
        });
    if let Some(start) = known {
        return Ok(start as *mut u8);
    }
    let registers = map_registers(bar.address, bar.size, &closed)?;
    let start = registers.start();
    let mut held = HELD.lock();
    heap::try_push(&mut held.registers, (owner, registers)).ok_or(ServiceError::NoMemory)?;
    Ok(start as *mut u8)
}

/// Binds interrupt `index` of a function `owner` drives; the handle.
///
/// # Errors
/// `Unsupported` when the function or machine has no such interrupt.
pub fn bind_interrupt(function: u32, owner: u64, index: u32) -> Result<usize, ServiceError> {
    let source = pci::interrupt_source(function, owner)?;
    let (vector, known) = reserve_vector(function, owner, index)?;
    if known {
        return Ok(vector);
    }
    let bound = route(source, function, owner, index, vector);
    let mut held = HELD.lock();
    match bound {
        Ok((line, table)) => {
            if let Some(binding) = held.bindings.get_mut(&vector) {
                binding.line = line;
                binding.table = table;
            }
            Ok(vector)
        }
        Err(error) => {
            held.bindings.remove(&vector);
            release_vector(vector);
            Err(error)
        }
    }
}

/// A free vector, or the one already bound.
fn reserve_vector(function: u32, owner: u64, index: u32) -> Result<(usize, bool), ServiceError> {
    let mut held = HELD.lock();
    let known = held.bindings.iter().find(|(_, binding)| {
        (binding.owner, binding.function, binding.index) == (owner, function, index)
    });
    if let Some((&vector, _)) = known {
        return Ok((vector, true));
    }
    let vectors = machine::get().device_vectors().min(MAX_VECTORS);
    let fault_vector = iommu::fault_vector();
    let vector = (0..vectors)
        .filter(|vector| Some(*vector) != fault_vector)
        .find(|vector| !held.bindings.contains_key(vector))
        .ok_or(ServiceError::NoMemory)?;
    let binding = Binding {
        owner,
        function,
        index,
        line: None,
        table: None,
        is_masked: false,
    };
    let room = SetAside::new().ok_or(ServiceError::NoMemory)?;
    room.spend(|| held.bindings.insert(vector, binding));
    Ok((vector, false))
}

fn route(
    source: InterruptSource,
    function: u32,
    owner: u64,
    index: u32,
    vector: usize,
) -> Result<(Option<u8>, Option<Registers>), ServiceError> {
    let message = || {
        let target = index as usize % crate::cpu::online().max(1);
        let message = machine::get().aim_interrupt(PciAddress(function), target, vector);
        message.map_err(|_| ServiceError::Io)
    };
    match source {
        InterruptSource::Msix { table, bytes } => {
            let registers = map_registers(table, bytes as u64, &[])?;
            let start = registers.start();
            pci::bind_msix(function, owner, index, message()?, &mut |offset, value| {
                // SAFETY: the offset lies in the table, which is mapped.
                unsafe { ((start + offset) as *mut u32).write_volatile(value) }
            })?;
            Ok((None, Some(registers)))
        }
        InterruptSource::Msi if index == 0 => {
            pci::bind_msi(function, owner, message()?)?;
            Ok((None, None))
        }
        InterruptSource::Line(line) if index == 0 => {
            let is_shared = |binding: &Binding| binding.line == Some(line);
            let is_routed = HELD.lock().bindings.values().any(is_shared);
            if !is_routed && !machine::get().route_line(line, vector) {
                return Err(ServiceError::Unsupported);
            }
            pci::enable_line(function, owner)?;
            machine::get().mask_line(line, false);
            Ok((Some(line), None))
        }
        _ => Err(ServiceError::Unsupported),
    }
}

/// Does something with a vector bound by `owner`.
fn with_bound(
    vector: usize,
    owner: u64,
    act: impl FnOnce(&mut Binding),
) -> Result<(), ServiceError> {
    let mut held = HELD.lock();
    let binding = held.bindings.get_mut(&vector);
    let binding = binding.filter(|binding| binding.owner == owner);
    binding.map(act).ok_or(ServiceError::NotFound)
}

/// Waits until an interrupt's count differs from `seen`; the new count.
///
/// # Errors
/// `NotFound` for a foreign handle; those of [`wait::wait`].
pub fn wait_interrupt(
    handle: u64,
    owner: u64,
    seen: u64,
    deadline_ns: u64,
) -> Result<u64, ServiceError> {
    let vector = usize::try_from(handle).map_err(|_| ServiceError::NotFound)?;
    let count = COUNTS.get(vector).ok_or(ServiceError::NotFound)?;
    #[expect(clippy::cast_possible_truncation, reason = "counts are modulo 2^32")]
    let seen = seen as u32;
    with_bound(vector, owner, |_| ())?;
    loop {
        let now = count.load(Ordering::SeqCst);
        if now != seen {
            return Ok(u64::from(now));
        }
        with_bound(vector, owner, Binding::unmask)?;
        wait::wait(count, seen, deadline_ns)?;
        if scheduler::was_disturbed() {
            return Err(ServiceError::Interrupted);
        }
    }
}

/// Physically contiguous, zeroed memory for a device, of the quota of its driver.
/// `None`: that is used up, or there is no memory.
#[must_use]
pub fn allocate_dma(driver: &'static Domain, pages: usize, is_inbound: bool) -> Option<*mut u8> {
    let charge = Charge::new(driver, pages)?;
    let (frames, room) = Frames::zeroed(pages).zip(SetAside::new())?;
    let frames = frames.give(abi::protection::key_of(driver.slot().index));
    let start = frames.direct();
    if iommu::open_own(driver, memory::physical(start), pages).is_err() {
        iommu::take_away(memory::physical(start), pages);
        return None;
    }
    let memory = DmaMemory {
        owner: driver.id(),
        frames,
        is_inbound,
        _charge: charge,
    };
    room.spend(|| HELD.lock().dma.insert(start as usize, memory));
    Some(start)
}

/// Frees memory of [`allocate_dma`].
pub fn free_dma(owner: u64, start: *mut u8) {
    let mut held = HELD.lock();
    let is_owned = held
        .dma
        .get(&(start as usize))
        .is_some_and(|memory| memory.owner == owner);
    let frames = if is_owned {
        held.dma.remove(&(start as usize))
    } else {
        None
    };
    drop(held);
    if let Some(memory) = frames {
        let frames = &memory.frames;
        iommu::take_away(memory::physical(frames.direct()), frames.pages());
    }
}

/// Overwrites what only the devices of `owner` write with `garbage`, as a device
/// out of its mind would; false: there is no such memory.
pub fn scribble(owner: u64, garbage: &mut dyn FnMut() -> u64) -> bool {
    let held = HELD.lock();
    let mut has_some = false;
    for memory in held.dma.values() {
        if memory.owner != owner || !memory.is_inbound {
            continue;
        }
        has_some = true;
        let words = memory.frames.direct().cast::<u64>();
        for index in 0..memory.frames.pages() * PAGE_SIZE / 8 {
            // SAFETY: the frames are held, and whoever reads them expects a
            // device to change them at any time.
            unsafe { words.add(index).write_volatile(garbage()) };
        }
    }
    has_some
}

/// Whether a device of `owner` interrupts.
pub fn interrupts_for(owner: u64) -> bool {
    let held = HELD.lock();
    let mut bindings = held.bindings.values();
    bindings.any(|binding| binding.owner == owner)
}

/// Device memory, registers and interrupts that `owner` has.
pub fn count_of(owner: u64) -> u64 {
    let held = HELD.lock();
    let bindings = held.bindings.values().filter(|one| one.owner == owner);
    let memory = held.dma.values().filter(|one| one.owner == owner);
    let registers = held.registers.iter().filter(|(holder, _)| *holder == owner);
    let stops = held.stops.iter().filter(|stop| stop.owner == owner);
    u64::from(iommu::has_table(owner))
        + (bindings.count() + memory.count() + registers.count() + stops.count()) as u64
}

/// Silences the devices of a dying domain: no write to memory, no interrupt.
pub fn quiesce(owner: u64) {
    let held = HELD.lock();
    for binding in held
        .bindings
        .values()
        .filter(|binding| binding.owner == owner)
    {
        if let Some(line) = binding.line {
            machine::get().mask_line(line, true);
        }
    }
    drop(held);
    pci::release_all(owner, &mut |function| stop_function(owner, function));
    // What tells its vectors from others' is taken away as well: a device that goes on
    // interrupts nobody. Lines may have other drivers.
    let held = HELD.lock();
    let own = held.bindings.iter().filter(|(_, one)| one.owner == owner);
    own.filter(|(_, one)| one.line.is_none())
        .for_each(|(&vector, _)| release_vector(vector));
    drop(held);
    iommu::detach(owner);
}

/// Takes a vector away from the device that raised it.
///
/// # Panics
/// If an IOMMU does not answer: whoever gets the vector would be interrupted by the
/// device that had it.
fn release_vector(vector: usize) {
    let released = machine::get().release_interrupt(vector);
    released.expect("an IOMMU that was started answers");
}

/// Stops a function by its own registers; false: it does not say how, or goes on.
fn stop_function(owner: u64, function: u32) -> bool {
    let held = HELD.lock();
    let stop = held
        .stops
        .iter()
        .find(|stop| (stop.owner, stop.function) == (owner, function));
    let Some(Stop {
        control,
        status,
        recipe,
        ..
    }) = stop
    else {
        return false;
    };
    let mut registers = StopRegisters {
        control: *control as *mut u32,
        status: *status as *const u32,
        deadline_ns: machine::get().now_ns() + STOP_NS,
    };
    let has_stopped = stop::follow(recipe, &mut registers);
    if !has_stopped {
        log::warn!("pci: {function:04x}: its driver's recipe does not show that it stops: reset");
    }
    has_stopped
}

/// The registers of a recipe, mapped for the driver.
struct StopRegisters {
    control: *mut u32,
    status: *const u32,
    deadline_ns: u64,
}

impl stop::Registers for StopRegisters {
    fn status(&mut self) -> u32 {
        // SAFETY: `set_stop` saw that the register is mapped for the driver; it stays so
        // until `release`, and the lock is held.
        unsafe { self.status.read_volatile() }
    }

    fn clear_control(&mut self, bits: u32) {
        // SAFETY: as in `status`.
        unsafe {
            self.control
                .write_volatile(self.control.read_volatile() & !bits)
        }
    }

    fn is_time_up(&mut self) -> bool {
        machine::get().now_ns() > self.deadline_ns
    }
}

/// Notes how a function that `owner` drives is stopped.
///
/// # Errors
/// `Invalid` for a foreign function, registers that are not mapped, or a recipe that
/// says nothing; `NoMemory`.
pub fn set_stop(function: u32, owner: u64, recipe: StopRecipe) -> Result<(), ServiceError> {
    let (bar, closed) = pci::registers(function, owner, recipe.bar)?;
    if !stop::says_something(&recipe) {
        return Err(ServiceError::Invalid);
    }
    let is_inside = |offset: u32| {
        let address = bar.address + u64::from(offset);
        let is_open = closed.iter().all(|pages| !pages.contains(&address));
        offset.is_multiple_of(4) && u64::from(offset) + 4 <= bar.size && is_open
    };
    if !is_inside(recipe.control) || !is_inside(recipe.status) {
        return Err(ServiceError::Invalid);
    }
    let mut held = HELD.lock();
    let mapped = held
        .registers
        .iter()
        .find(|(holder, registers)| *holder == owner && registers.address == bar.address);
    let start = mapped.ok_or(ServiceError::Invalid)?.1.start();
    held.stops
        .retain(|stop| (stop.owner, stop.function) != (owner, function));
    let stop = Stop {
        owner,
        function,
        control: start + recipe.control as usize,
        status: start + recipe.status as usize,
        recipe,
    };
    heap::try_push(&mut held.stops, stop).ok_or(ServiceError::NoMemory)
}

/// Frees what a dead domain's drivers held. Its devices are quiet.
pub fn release(owner: u64) {
    iommu::release(owner);
    let mut held = HELD.lock();
    held.dma.retain(|_, memory| memory.owner != owner);
    let mut freed = [false; MAX_VECTORS];
    held.bindings.retain(|&vector, binding| {
        freed[vector] = binding.owner == owner;
        !freed[vector]
    });
    reroute_lines(&held.bindings);
    // Lines lead to others by now. The rest was taken away when the domain began to die,
    // but one of its threads may have been binding an interrupt at that moment.
    let freed = freed.iter().enumerate().filter(|(_, is_freed)| **is_freed);
    freed.for_each(|(vector, _)| release_vector(vector));
    held.stops.retain(|stop| stop.owner != owner);
    held.registers.retain(|(holder, _)| *holder != owner);
}

/// Lets the lines of the living interrupt again: whoever died may have shared
/// one, which it was routed to or which was masked for its sake.
fn reroute_lines(bindings: &BTreeMap<usize, Binding>) {
    for (&vector, binding) in bindings {
        let is_first = |line| {
            let mut before = bindings.range(..vector);
            before.all(|(_, other)| other.line != Some(line))
        };
        if let Some(line) = binding.line.filter(|line| is_first(*line)) {
            // It was routed before, so it can be.
            let _ = machine::get().route_line(line, vector);
            machine::get().mask_line(line, false);
        }
    }
}
