//! Making every CPU forget translations of pages that are no longer mapped
//! (SDM volume 3A, section 4.10.5).
//!
//! The CPU that changed the tables tells the others by interrupt and waits
//! until all have answered. Interrupts are on wherever a CPU may wait for a
//! lock, so each of them answers within the length of an interrupt handler.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::cpu::{self, MAX_CPUS};
use crate::memory::PAGE;
use crate::{apic, descriptors, traps};

/// Above so many pages, forgetting all translations is quicker.
const MAX_SINGLE_INVALIDATIONS: usize = 64;

/// What is to be forgotten. Written by the holder of the page tables' lock.
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
/// CPUs that have not yet done so.
static IS_ASKED: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

/// Makes all CPUs forget translations in `range`; returns when they have. The
/// caller holds the lock of the page tables, so this runs on one CPU at a time.
pub fn invalidate(range: Range<usize>) {
    let online = kernel_core::cpu::online();
    if online > 1 {
        START.store(range.start, Ordering::Relaxed);
        END.store(range.end, Ordering::Relaxed);
        let this = descriptors::current_cpu();
        let others = || (0..online).filter(move |&cpu| cpu != this);
        for cpu in others() {
            IS_ASKED[cpu].store(true, Ordering::Release);
            apic::send(cpu, traps::SHOOTDOWN);
        }
        forget(range);
        kernel_core::sync::spin_until(|| {
            others().all(|cpu| !IS_ASKED[cpu].load(Ordering::Acquire))
        });
    } else {
        forget(range);
    }
}

/// The interrupt's handler.
pub fn on_interrupt() {
    let this = &IS_ASKED[descriptors::current_cpu()];
    if this.load(Ordering::Acquire) {
        forget(START.load(Ordering::Relaxed)..END.load(Ordering::Relaxed));
        this.store(false, Ordering::Release);
    }
}

fn forget(range: Range<usize>) {
    let pages = range.len() / PAGE as usize;
    if pages > MAX_SINGLE_INVALIDATIONS {
        // SAFETY: the same tables again.
        unsafe { cpu::load_page_tables(cpu::page_tables()) };
        return;
    }
    range.step_by(PAGE as usize).for_each(cpu::invalidate_page);
}
