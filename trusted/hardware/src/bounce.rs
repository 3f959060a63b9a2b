//! Bounce buffers: what a device works on where it may not have the buffer.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use abi::PAGE_SIZE;
use runtime::sync::Mutex;

use crate::{DmaRegion, Platform};

/// Pages of all bounce buffers of a driver, 8 MiB.
const MOST_PAGES: usize = 2048;

/// The bounce buffers of a driver. They are made as they are needed and used again.
#[derive(Default)]
pub struct BouncePool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    #[expect(
        clippy::vec_box,
        reason = "requests hold theirs by a pointer, and it is boxed once"
    )]
    free: Vec<Box<DmaRegion>>,
    /// How many there are, in use or free.
    count: usize,
    /// Pages of all of them.
    pages: usize,
}

impl fmt::Debug for BouncePool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BouncePool({} pages)", self.state.lock().pages)
    }
}

impl BouncePool {
    /// A pool without a buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                free: Vec::new(),
                count: 0,
                pages: 0,
            }),
        }
    }

    /// A buffer for so many bytes; `None`: there is no memory, or too much is in use.
    #[cold]
    pub(crate) fn take(&self, platform: &impl Platform, bytes: usize) -> Option<Box<DmaRegion>> {
        // Few sizes, so that a free one fits.
        let pages = bytes.div_ceil(PAGE_SIZE).max(1).next_power_of_two();
        let mut state = self.state.lock();
        if let Some(region) = state.take_free(pages) {
            return Some(region);
        }
        if state.pages + pages > MOST_PAGES {
            return None;
        }
        // Giving one back takes no memory.
        let wanted = state.count + 1 - state.free.len();
        state.free.try_reserve(wanted).ok()?;
        let region = Box::new(platform.allocate(pages)?);
        state.count += 1;
        state.pages += pages;
        Some(region)
    }

    /// Takes a buffer back, which no device uses any more.
    #[cold]
    pub(crate) fn give_back(&self, region: Box<DmaRegion>) {
        self.state.lock().free.push(region);
    }
}

impl State {
    /// The smallest free buffer that is large enough.
    fn take_free(&mut self, pages: usize) -> Option<Box<DmaRegion>> {
        let regions = self.free.iter().enumerate();
        let fitting = regions.filter(|(_, region)| region.bytes() >= pages * PAGE_SIZE);
        let (index, _) = fitting.min_by_key(|(_, region)| region.bytes())?;
        Some(self.free.swap_remove(index))
    }
}
