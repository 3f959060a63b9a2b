//! The reclaim audit of a whole system: what a run leaves behind.

use runtime::thread::sleep;
use runtime::time::{Duration, Instant};
use runtime::{Audit, DomainControl};

/// Time in which everything has to be reclaimed.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Time between two looks.
const LOOK_TIME: Duration = Duration::from_millis(5);

/// Bytes in a page frame.
const FRAME_BYTES: u64 = 4096;

/// Kernel resources in use, without the supervisor's own heap.
pub struct Inventory {
    audit: Audit,
}

impl Inventory {
    /// Counts what is in use now.
    pub fn take(control: &DomainControl) -> Self {
        // Asking takes memory: what is counted and what is left out are of one moment.
        let mut own = own_frames(control);
        let mut audit = loop {
            let audit = control.audit().unwrap_or_default();
            let before = core::mem::replace(&mut own, own_frames(control));
            if own == before {
                break audit;
            }
        };
        audit.frames = audit.frames.saturating_sub(own);
        // Pools and the log of deaths grow with use; frames show real losses.
        audit.kernel_heap_bytes = 0;
        Self { audit }
    }

    /// Counts again until it is the same as before, or will not be: what ended
    /// last may still be on its way out.
    pub fn settled(control: &DomainControl, before: &Self) -> Self {
        let deadline = Instant::now() + SETTLE_TIME;
        loop {
            let now = Self::take(control);
            if now.audit == before.audit || Instant::now() > deadline {
                return now;
            }
            sleep(LOOK_TIME);
        }
    }

    /// Says in the log whether `after` is the same.
    pub fn compare(&self, after: &Self) {
        if self.audit == after.audit {
            log::info!("reclaim audit: clean");
        } else {
            log::error!("reclaim audit: before {:?}", self.audit);
            log::error!("reclaim audit: after {:?}", after.audit);
        }
    }
}

/// Frames of the supervisor's own heap.
fn own_frames(control: &DomainControl) -> u64 {
    let domains = control.list().unwrap_or_default();
    let own = domains
        .iter()
        .find(|info| runtime::name_text(&info.name) == "init");
    own.map_or(0, |info| info.private_bytes / FRAME_BYTES)
}
