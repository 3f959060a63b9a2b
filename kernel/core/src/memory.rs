//! Memory as the kernel uses it: the direct map, mapped regions and stacks.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use abi::{PAGE_SIZE, protection};

use crate::heap::{self, SetAside};
use crate::machine::{self, Permission};
use crate::sync::SpinLock;
use crate::{crossing, famine, frames, harden};

static DIRECT_MAP: AtomicUsize = AtomicUsize::new(0);
static PHYSICAL_END: AtomicU64 = AtomicU64::new(0);
static REGIONS: SpinLock<Regions> = SpinLock::new(Regions::new());
static MAPPED: AtomicU64 = AtomicU64::new(0);

/// Pages filled with zeros before their domain is looked at again: 1 MiB.
const ZEROED_AT_ONCE: usize = 256;

/// Lists of free address space.
const FREE_LISTS: usize = 64;

/// A range of address space, made once and used again and again: to give one back
/// takes no memory.
#[derive(Debug)]
struct Addresses {
    start: usize,
    pages: usize,
    next: Option<Box<Addresses>>,
}

/// Address space handed out to mappings, and what is mapped where.
struct Regions {
    next: usize,
    end: usize,
    /// Returned ranges, by their lengths modulo the number of lists.
    free: [Option<Box<Addresses>>; FREE_LISTS],
    /// Physical address and length in pages of each mapping, by its start.
    mapped: BTreeMap<usize, (u64, usize)>,
}

impl Regions {
    const fn new() -> Self {
        Self {
            next: 0,
            end: 0,
            free: [const { None }; FREE_LISTS],
            mapped: BTreeMap::new(),
        }
    }

    /// Takes a range of this length that was given back.
    fn take_free(&mut self, pages: usize) -> Option<Box<Addresses>> {
        let mut place = &mut self.free[pages % FREE_LISTS];
        while place.as_ref()?.pages != pages {
            place = &mut place.as_mut()?.next;
        }
        let mut found = place.take()?;
        *place = found.next.take();
        Some(found)
    }

    fn give_back(&mut self, mut addresses: Box<Addresses>) {
        let list = &mut self.free[addresses.pages % FREE_LISTS];
        addresses.next = list.take();
        *list = Some(addresses);
    }

    /// Where a range begins that was never used.
    fn take_fresh(&mut self, pages: usize) -> Option<usize> {
        let bytes = pages.checked_mul(PAGE_SIZE)?;
        let address = self.next;
        let next = address.checked_add(bytes)?;
        if next > self.end {
            return None;
        }
        self.next = next;
        Some(address)
    }
}

/// Learns from the machine where memory is mapped.
pub fn init(direct_map: usize, area: Range<usize>, physical_end: u64) {
    DIRECT_MAP.store(direct_map, Ordering::Relaxed);
    PHYSICAL_END.store(physical_end, Ordering::Relaxed);
    let mut regions = REGIONS.lock();
    regions.next = area.start;
    regions.end = area.end;
}

/// Where a physical address lies in the direct map.
#[must_use]
pub fn direct(physical: u64) -> *mut u8 {
    let offset = usize::try_from(physical).unwrap_or(usize::MAX);
    (DIRECT_MAP.load(Ordering::Relaxed).wrapping_add(offset)) as *mut u8
}

/// Physical address of a byte in the direct map.
#[must_use]
pub fn physical(address: *const u8) -> u64 {
    (address as usize).wrapping_sub(DIRECT_MAP.load(Ordering::Relaxed)) as u64
}

/// Whether an address is one of the direct map, by which private and exchange heaps are
/// reached.
#[must_use]
pub fn is_direct(address: usize) -> bool {
    let offset = address.wrapping_sub(DIRECT_MAP.load(Ordering::Relaxed)) as u64;
    offset < PHYSICAL_END.load(Ordering::Relaxed)
}

/// Physical address of any mapped byte of RAM; `None` when it is not mapped.
#[must_use]
pub fn translate(address: usize) -> Option<u64> {
    let offset = address.wrapping_sub(DIRECT_MAP.load(Ordering::Relaxed)) as u64;
    if offset < PHYSICAL_END.load(Ordering::Relaxed) {
        return Some(offset);
    }
    let regions = REGIONS.lock();
    let (start, (frame, pages)) = regions.mapped.range(..=address).next_back()?;
    let inside = address - start;
    (inside < pages * PAGE_SIZE).then(|| frame + inside as u64)
}

/// Mapped regions there are.
#[must_use]
pub fn mappings() -> u64 {
    MAPPED.load(Ordering::Relaxed)
}

/// Address space for mappings, with an unmapped page at each end. Dropped, it is
/// unmapped at once and as a whole: that costs every CPU an interrupt.
#[derive(Debug)]
pub struct Reservation {
    start: usize,
    pages: usize,
    /// With the pages at the ends; taken when it is dropped.
    addresses: Option<Box<Addresses>>,
    /// Mappings made in it.
    mapped: u64,
}

impl Reservation {
    /// Reserves room for `pages` pages.
    #[must_use]
    pub fn new(pages: usize) -> Option<Self> {
        let whole = pages.checked_add(2)?;
        let used_before = REGIONS.lock().take_free(whole);
        let addresses = used_before.or_else(|| Self::fresh(whole))?;
        Some(Self {
            start: addresses.start + PAGE_SIZE,
            pages,
            addresses: Some(addresses),
            mapped: 0,
        })
    }

    fn fresh(pages: usize) -> Option<Box<Addresses>> {
        let mut addresses = heap::try_box(Addresses {
            start: 0,
            pages,
            next: None,
        })?;
        addresses.start = REGIONS.lock().take_fresh(pages)?;
        Some(addresses)
    }

    /// First byte that may be mapped.
    #[must_use]
    pub const fn start(&self) -> usize {
        self.start
    }

    /// Bytes that may be mapped.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.start + self.pages * PAGE_SIZE
    }

    /// Maps physically contiguous memory at page `first`, as long as the reservation
    /// lives; `None` if that is not free, or there is no memory.
    #[must_use]
    pub fn map(
        &mut self,
        first: usize,
        frame: u64,
        pages: usize,
        permission: Permission,
    ) -> Option<()> {
        if first.checked_add(pages)? > self.pages {
            return None;
        }
        let start = self.start + first * PAGE_SIZE;
        let room = SetAside::new()?;
        machine::get().map(start, frame, pages, permission).ok()?;
        room.spend(|| REGIONS.lock().mapped.insert(start, (frame, pages)));
        self.mapped += 1;
        MAPPED.fetch_add(1, Ordering::Relaxed);
        Some(())
    }

    fn unmap(&mut self) {
        let range = self.range();
        let mut regions = REGIONS.lock();
        while let Some((&start, _)) = regions.mapped.range(range.clone()).next() {
            regions.mapped.remove(&start);
        }
        drop(regions);
        machine::get().unmap(self.start, self.pages);
        frames::trim();
        MAPPED.fetch_sub(self.mapped, Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.mapped > 0 {
            self.unmap();
        }
        if let Some(addresses) = self.addresses.take() {
            REGIONS.lock().give_back(addresses);
        }
    }
}

/// Gives frames a protection key, where there are keys.
pub(crate) fn set_key(frame: u64, pages: usize, key: u8) {
    if harden::is_on() {
        machine::get().set_key(frame, pages, key);
    }
}

/// Contiguous page frames, freed when dropped.
#[derive(Debug)]
pub struct Frames {
    address: u64,
    pages: usize,
    /// The protection key they carry, where there are keys.
    key: u8,
}

impl Frames {
    /// Allocates `pages` frames in a row, not cleared.
    #[must_use]
    pub fn new(pages: usize) -> Option<Self> {
        if famine::strikes() {
            return None;
        }
        frames::allocate(pages).map(|address| Self {
            address,
            pages,
            key: protection::KERNEL,
        })
    }

    /// Allocates frames filled with zeros; none for a domain that is killed meanwhile.
    #[must_use]
    pub fn zeroed(pages: usize) -> Option<Self> {
        let frames = Self::new(pages)?;
        for first in (0..pages).step_by(ZEROED_AT_ONCE) {
            if crossing::is_current_dead() {
                return None;
            }
            let count = ZEROED_AT_ONCE.min(pages - first);
            // SAFETY: the frames are ours and mapped in the direct map.
            unsafe {
                let start = frames.direct().add(first * PAGE_SIZE);
                start.write_bytes(0, count * PAGE_SIZE);
            }
        }
        Some(frames)
    }

    /// The frames, for who has the rights of a protection key; the kernel's again when
    /// they are freed.
    #[must_use]
    pub(crate) fn give(mut self, key: u8) -> Self {
        set_key(self.address, self.pages, key);
        self.key = key;
        self
    }

    /// Physical address of the first.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// How many.
    #[must_use]
    pub const fn pages(&self) -> usize {
        self.pages
    }

    /// The frames in the direct map.
    #[must_use]
    pub fn direct(&self) -> *mut u8 {
        direct(self.address)
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if self.key != protection::KERNEL {
            set_key(self.address, self.pages, protection::KERNEL);
        }
        frames::free(self.address, self.pages);
    }
}

/// Contiguous page frames that nobody writes to once they are filled, through no
/// mapping; freed when dropped.
#[derive(Debug)]
pub struct SealedFrames {
    address: u64,
    pages: usize,
}

impl SealedFrames {
    /// Allocates `pages` frames with `contents` at `offset`, and zeros around them.
    ///
    /// # Panics
    /// If the contents do not fit.
    #[must_use]
    pub fn new(pages: usize, offset: usize, contents: &[u8]) -> Option<Self> {
        assert!(
            offset + contents.len() <= pages * PAGE_SIZE,
            "the contents fit the frames"
        );
        if famine::strikes() {
            return None;
        }
        let address = frames::allocate_sealed(pages)?;
        let frames = Self { address, pages };
        frames.clear(0..offset);
        frames.write(offset, contents);
        frames.clear(offset + contents.len()..pages * PAGE_SIZE);
        Some(frames)
    }

    fn clear(&self, bytes: Range<usize>) {
        static ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        for start in bytes.clone().step_by(PAGE_SIZE) {
            let length = (bytes.end - start).min(PAGE_SIZE);
            self.write(start, &ZEROS[..length]);
        }
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        // SAFETY: the frames are ours, and their callers keep within them.
        unsafe { machine::get().write_sealed(self.address + offset as u64, bytes) };
    }

    /// Physical address of the first.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }
}

impl Drop for SealedFrames {
    fn drop(&mut self) {
        frames::free_sealed(self.address, self.pages);
    }
}

/// A thread's stack between two unmapped pages.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: unmapped, then the frames.
    reservation: Reservation,
    _frames: Frames,
}

impl Stack {
    /// A stack of `bytes` (whole pages).
    #[must_use]
    pub fn new(bytes: usize) -> Option<Self> {
        let pages = bytes / PAGE_SIZE;
        let frames = Frames::new(pages)?;
        let mut reservation = Reservation::new(pages)?;
        reservation.map(0, frames.address(), pages, Permission::ReadWrite)?;
        Some(Self {
            reservation,
            _frames: frames,
        })
    }

    /// Lowest usable address.
    #[must_use]
    pub const fn bottom(&self) -> usize {
        self.reservation.start()
    }

    /// Usable addresses.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.reservation.range()
    }

    /// Whether `address` lies in the unmapped page below.
    #[must_use]
    pub const fn is_in_guard(&self, address: usize) -> bool {
        address < self.bottom() && address >= self.bottom() - PAGE_SIZE
    }
}
