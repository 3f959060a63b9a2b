//! The table of services, each with the right that it needs.
//!
//! A service is in one of two lists. What every domain may do is named in the first
//! and entered as it is. The others are plain functions, which the table cannot
//! hold: what it holds looks first whether the kernel granted the calling domain
//! the right at its start. That is a load and a comparison, every time.

use abi::device::{PciInfo, StopRecipe};
use abi::exchange::ProxyObject;
use abi::note::DomainNote;
use abi::role::ImageIdentity;
use abi::services::{Audit, DeathNotice, DomainInfo, EdgeInfo, Services, StartRequest, TraceEvent};
use abi::status::Answer;

use super::{control, devices, service};
use crate::domain;
use crate::rights::{Needs, Refusal, say_refused};

/// Writes one service that needs a right.
macro_rules! guarded {
    (safe $name:ident ($($argument:ident: $type:ty),*) -> $answer:ty, $needs:expr, $body:path) => {
        extern "sysv64" fn $name($($argument: $type),*) -> $answer {
            if domain::current().rights.suffice($needs) {
                return $body($($argument),*);
            }
            service(|| say_refused(stringify!($name), $needs));
            <$answer as Refusal>::DENIED
        }
    };
    (unsafe $name:ident ($($argument:ident: $type:ty),*) -> $answer:ty, $needs:expr, $body:path) => {
        unsafe extern "sysv64" fn $name($($argument: $type),*) -> $answer {
            if domain::current().rights.suffice($needs) {
                // SAFETY: passed on as it is.
                return unsafe { $body($($argument),*) };
            }
            service(|| say_refused(stringify!($name), $needs));
            <$answer as Refusal>::DENIED
        }
    };
}

/// Makes the table of both lists. A service in neither is a field without a value.
macro_rules! services {
    (
        anyone { $($open:ident = $open_body:path,)* }
        $($needs:ident {
            $($safety:tt fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $answer:ty = $body:path;)*
        })*
    ) => {
        $($(guarded!($safety $name($($argument: $type),*) -> $answer, Needs::$needs, $body);)*)*

        /// The services as they are.
        pub(crate) static TABLE: Services = Services {
            abi_version: abi::ABI_VERSION,
            reserved: 0,
            $($open: $open_body,)*
            $($($name,)*)*
        };

        /// How many services need a right, and how many none.
        #[cfg(test)]
        const COUNTS: (usize, usize) = (
            [$($(stringify!($name),)*)*].len(),
            [$(stringify!($open),)*].len(),
        );
    };
}

services! {
    // A domain's own memory, threads, objects and end; clocks, chance and the log,
    // which says in front of each line whose it is.
    anyone {
        pages_map = super::pages_map,
        pages_unmap = super::pages_unmap,
        exchange_allocate = super::exchange_allocate,
        exchange_free = super::exchange_free,
        exchange_end_loan = super::exchange_end_loan,
        proxy_export = super::proxy_export,
        proxy_clone = super::proxy_clone,
        proxy_drop = super::proxy_drop,
        proxy_wait = super::proxy_wait,
        proxy_wait_out = super::proxy_wait_out,
        panic = super::panic,
        exit = super::exit,
        thread_spawn = super::thread_spawn,
        thread_yield = super::thread_yield,
        cpu_number = super::cpu_number,
        cpu_count = super::cpu_count,
        thread_bind = super::thread_bind,
        sleep_until = super::sleep_until,
        wait = super::wait_word,
        wake = super::wake_word,
        clock_ns = super::clock_ns,
        wall_clock_ns = super::wall_clock_ns,
        random = super::random,
        log = super::log,
        log_flush = super::log_flush,
    }
    CONTROL {
        unsafe fn proxy_redirect(from: *mut ProxyObject, to: *const ProxyObject) -> Answer = super::proxy_redirect;
        unsafe fn proxy_redirect_held(holder: u64, to: *const ProxyObject) -> Answer = super::proxy_redirect_held;
        unsafe fn proxy_hold(proxy: *mut ProxyObject) -> Answer = super::proxy_hold;
        unsafe fn proxy_promise(proxy: *const ProxyObject) -> Answer = super::proxy_promise;
        unsafe fn log_read(from: u64, start: *mut u8, length: usize, next: *mut u64) -> Answer = super::log_read;
        unsafe fn image_open(start: *const u8, length: usize, message: *mut [u8; 160]) -> Answer = control::image_open;
        unsafe fn image_note(image: u64, note: *mut DomainNote) -> Answer = control::image_note;
        unsafe fn image_identity(image: u64, identity: *mut ImageIdentity) -> Answer = control::image_identity;
        safe fn image_close(image: u64) -> Answer = control::image_close;
        unsafe fn domain_start(request: *mut StartRequest) -> Answer = control::domain_start;
        safe fn domain_kill(id: u64, cause: u32) -> Answer = control::domain_kill;
        safe fn domain_is_called(id: u64) -> Answer = control::domain_is_called;
        safe fn domain_inject(id: u64, fault: u32, within_ns: u64, seed: u64) -> Answer = control::domain_inject;
        safe fn domain_leftovers(id: u64) -> Answer = control::domain_leftovers;
        unsafe fn domain_list(list: *mut DomainInfo, capacity: usize) -> Answer = control::domain_list;
        unsafe fn edge_list(list: *mut EdgeInfo, capacity: usize) -> Answer = control::edge_list;
        safe fn sampling_set(one_in: u32) -> Answer = control::sampling_set;
        safe fn trace_control(action: u32, domain: u64) -> Answer = control::trace_control;
        unsafe fn trace_read(from: usize, events: *mut TraceEvent, capacity: usize) -> Answer = control::trace_read;
        unsafe fn domain_wait_death(id: u64, deadline_ns: u64, notice: *mut DeathNotice) -> Answer = control::domain_wait_death;
        unsafe fn domain_next_death(after: u64, deadline_ns: u64, notice: *mut DeathNotice) -> Answer = control::domain_next_death;
        unsafe fn crash_record(sequence: u64, start: *mut u8, length: usize) -> Answer = control::crash_record;
        unsafe fn audit(into: *mut Audit) -> Answer = control::audit;
        safe fn power_off(status: i32) -> Answer = control::power_off;
    }
    CONSOLE {
        unsafe fn console_write(text: *const u8, length: usize) -> Answer = super::console_write;
        unsafe fn console_write_error(text: *const u8, length: usize) -> Answer = super::console_write_error;
        unsafe fn console_read(position: *mut u64, start: *mut u8, length: usize, deadline_ns: u64) -> Answer = super::console_read;
    }
    ARCHIVE {
        unsafe fn boot_archive(start: *mut *const u8, length: *mut usize) -> Answer = control::boot_archive;
    }
    CONTROL_OR_FUNCTION {
        unsafe fn pci_list(index: usize, info: *mut PciInfo) -> Answer = devices::pci_list;
    }
    // Which function is checked when it is claimed; the others ask who claimed it.
    FUNCTION {
        safe fn pci_claim(address: u32) -> Answer = devices::pci_claim;
        safe fn pci_read(address: u32, register: u32) -> Answer = devices::pci_read;
        safe fn pci_map_bar(address: u32, bar: u32) -> *mut u8 = devices::pci_map_bar;
        unsafe fn pci_set_stop(address: u32, recipe: *const StopRecipe) -> Answer = devices::pci_set_stop;
        safe fn interrupt_bind(address: u32, index: u32) -> Answer = devices::interrupt_bind;
        safe fn interrupt_wait(handle: u64, seen: u64, deadline_ns: u64) -> Answer = devices::interrupt_wait;
        safe fn physical_address(address: *const u8) -> u64 = devices::physical_address;
        safe fn dma_open(start: *const u8, bytes: usize, how: u32) -> Answer = devices::dma_open;
        safe fn dma_close(start: *const u8, bytes: usize) -> () = devices::dma_close;
        safe fn dma_forget() -> Answer = devices::dma_forget;
        safe fn dma_allocate(pages: usize, inbound: u32) -> *mut u8 = devices::dma_allocate;
        unsafe fn dma_free(start: *mut u8, pages: usize) -> () = devices::dma_free;
    }
    HOST_FILE {
        safe fn host_file_size(file: u64) -> Answer = devices::host_file_size;
        unsafe fn host_file_read(file: u64, offset: u64, start: *mut u8, length: usize) -> Answer = devices::host_file_read;
        unsafe fn host_file_write(file: u64, offset: u64, start: *const u8, length: usize) -> Answer = devices::host_file_write;
        safe fn host_file_sync(file: u64) -> Answer = devices::host_file_sync;
    }
}

/// The table that control blocks point to, unless services have gates
/// ([`crate::harden`]).
#[must_use]
pub fn table() -> *const Services {
    &raw const TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_adds_a_service_says_who_may_use_it() {
        // In front are the version and a reserved word of 4 bytes each. A new service
        // that everybody may use changes this line, so that its author asks why.
        let (guarded, open) = COUNTS;
        assert_eq!(open, 25);
        assert_eq!(8 + 8 * (guarded + open), size_of::<Services>());
    }
}
