//! The reclaim audit: what is in use, to be compared before and after a death.

use abi::services::Audit;

use crate::thread::ThreadState;
use crate::{device, domain, exchange, export, frames, heap, iommu, memory, thread};

/// Resources in use now.
#[must_use]
pub fn take() -> Audit {
    // What is freed and waits for devices to forget it is nobody's.
    iommu::release_freed();
    Audit {
        // Pages that serve as pools are not a domain's: what lies in them is
        // counted by itself.
        frames: frames::used()
            .saturating_sub(heap::pages_held())
            .saturating_sub(exchange::pages_held()),
        exchange_objects: exchange::objects(),
        threads: thread::count() as u64,
        interrupts: device::interrupts(),
        mappings: memory::mappings(),
        domains: domain::living().count() as u64,
        exports: export::count(),
        kernel_heap_bytes: heap::bytes_in_use(),
    }
}

/// What a dead domain still has of all that is freed with it.
#[must_use]
pub fn leftovers(id: u64) -> u64 {
    let mut threads = 0;
    thread::for_each(|thread| {
        threads += u64::from(thread.home == id && thread.state() != ThreadState::Ended);
    });
    exchange::count_owned(id) + threads + device::count_of(id)
}
