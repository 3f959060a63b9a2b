//! The table of kernel services that every thread control block points to.
//!
//! The table is called from `trusted/` only; domains see safe wrappers. Every
//! pointer argument refers to memory the caller may use for the length of the
//! call. Services that may block or run long say so; the others return without
//! rescheduling.

use core::sync::atomic::AtomicU32;

use crate::death::DeathCause;
use crate::device::PciInfo;
use crate::exchange::ProxyObject;
use crate::grant::Grant;
use crate::limits::Limits;
use crate::note::Name;
use crate::status::Answer;
use crate::thread::CrossTable;

/// Function run by a new thread, in the domain that made it.
pub type ThreadFunction = unsafe extern "sysv64" fn(argument: *mut ());

/// Gives an exported object back to the domain that exported it: drops the
/// reference that `data` stands for. Lies in the owner's image.
pub type DropExport = unsafe extern "sysv64" fn(data: *const ());

/// Which exchange object to make.
#[repr(C)]
pub struct ExchangeRequest {
    /// Bytes of payload.
    pub size: usize,
    /// Alignment of the payload, a power of two of at most 4,096.
    pub align: usize,
    /// Elements in the payload.
    pub length: usize,
    /// Fingerprint of the element type.
    pub fingerprint: u64,
}

/// A domain as `domain_list` reports it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DomainInfo {
    /// Owner id: slot and generation in one number.
    pub id: u64,
    /// Name given at start.
    pub name: Name,
    /// A [`DomainState`].
    pub state: u32,
    /// Threads that were made by the domain.
    pub threads: u32,
    /// Bytes of image and private heap.
    pub private_bytes: u64,
    /// Bytes of exchange objects it owns.
    pub exchange_bytes: u64,
    /// Calls into the domain, as far as counted.
    pub calls: u64,
    /// Nanoseconds of CPU time threads spent while it was current.
    pub cpu_ns: u64,
    /// Buffers that its device worked on a copy of, as they were not whole pages.
    pub bounces: u64,
    /// Waits until an IOMMU had forgotten pages that its device was lent.
    pub device_waits: u64,
}

/// An edge of the domain graph as `edge_list` reports it: a proxy.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EdgeInfo {
    /// Owner id of the domain that holds the proxy.
    pub caller: u64,
    /// Owner id of the domain it calls; 0: that one is dead.
    pub callee: u64,
    /// Fingerprint of the interface.
    pub fingerprint: u64,
    /// Calls made.
    pub calls: u64,
    /// Calls that found the callee dead or ended with its death.
    pub errors: u64,
    /// Calls that were timed.
    pub samples: u64,
    /// Nanoseconds that half of the timed calls took at most.
    pub median_ns: u64,
    /// Nanoseconds that 99 in 100 took at most.
    pub p99_ns: u64,
    /// Nanoseconds that all took at most.
    pub max_ns: u64,
}

/// A call as a trace records it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TraceEvent {
    /// When it began, in nanoseconds since boot.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Owner id of the domain that called.
    pub caller: u64,
    /// Owner id of the domain that was called, or of its slot's next one.
    pub callee: u64,
    /// Number of the thread.
    pub thread: u32,
    /// Number of the CPU on which it ended.
    pub cpu: u32,
    /// A [`crate::thread::CrossStatus`].
    pub status: u32,
    /// Reserved.
    pub reserved: u32,
}

/// Life cycle of a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum DomainState {
    /// Its entry function has not returned.
    Starting = 1,
    /// It can be called.
    Running = 2,
    /// New calls fail; threads are being brought back.
    Dying = 3,
    /// Everything it had is reclaimed; the slot may be reused.
    Dead = 4,
}

/// What to start a domain with.
#[repr(C)]
pub struct StartRequest {
    /// Handle from `image_open`.
    pub image: u64,
    /// Name of the new domain.
    pub name: Name,
    /// Grants in the order of the image's parameters.
    pub grants: *const Grant,
    /// Number of grants.
    pub grant_count: usize,
    /// What it may use.
    pub limits: Limits,
    /// 1: the domain survives the death of the one that starts it.
    pub detached: u32,
    /// 1: its entry runs on a thread of its own, and the answer does not wait
    /// for it: `result` is `Running`. It has to be a program.
    pub apart: u32,
    /// Out: owner id of the domain, set before its code runs.
    pub id: u64,
    /// Out: a [`crate::grant::StartResult`].
    pub result: u32,
    /// Out: exit status, when it exited.
    pub exit_status: i32,
    /// Out: the provided object, now owned by the caller; or null.
    pub object: *mut ProxyObject,
    /// Out: cause of death when the answer is `Dead`, a [`DeathCause`].
    pub cause: u32,
    /// Out: bytes of `message` in use.
    pub message_length: u32,
    /// Out: one line that says what went wrong.
    pub message: [u8; 160],
}

/// How a domain ended, as `domain_wait_death` reports it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DeathNotice {
    /// Owner id of the domain.
    pub id: u64,
    /// Its name.
    pub name: Name,
    /// A [`DeathCause`].
    pub cause: u32,
    /// Status it exited with, if it exited.
    pub exit_status: i32,
    /// Sequence number of the crash record; 0: none was made.
    pub record: u64,
    /// When the death began, in nanoseconds since boot.
    pub begun_ns: u64,
    /// Owner id of the domain whose thread it died on, in a call of that one's; 0: on
    /// none of another domain's, or of a fault made on purpose.
    pub caller: u64,
}

/// Reclaim audit: kernel resources in use, all of which a dead domain returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Audit {
    /// Page frames in use.
    pub frames: u64,
    /// Objects on the exchange heap.
    pub exchange_objects: u64,
    /// Threads.
    pub threads: u64,
    /// Interrupt vectors bound to a driver.
    pub interrupts: u64,
    /// Mapped regions (image segments, stacks, device memory).
    pub mappings: u64,
    /// Domains that are not dead.
    pub domains: u64,
    /// Exported objects.
    pub exports: u64,
    /// Bytes of kernel heap in use.
    pub kernel_heap_bytes: u64,
}

/// Everything the kernel does for domains.
///
/// [`Answer`]s below zero are [`crate::status::ServiceError`]s. Where a capability
/// is named, the kernel looks each time whether the calling domain was granted it,
/// and answers [`Denied`](crate::status::ServiceError::Denied), null or 0 if not.
#[repr(C)]
pub struct Services {
    /// [`crate::ABI_VERSION`].
    pub abi_version: u32,
    /// Reserved.
    pub reserved: u32,

    // Memory
    /// Maps `pages` zeroed pages for the current domain's private heap;
    /// null when there is no memory or the quota is used up.
    pub pages_map: extern "sysv64" fn(pages: usize) -> *mut u8,
    /// Gives back pages that `pages_map` returned, whole.
    pub pages_unmap: unsafe extern "sysv64" fn(start: *mut u8, pages: usize),

    // Exchange heap
    /// Allocates an object owned by the current domain; payload address or null.
    pub exchange_allocate: unsafe extern "sysv64" fn(request: *const ExchangeRequest) -> *mut u8,
    /// Frees an object by its payload address.
    pub exchange_free: unsafe extern "sysv64" fn(payload: *mut u8),

    /// Ends a loan of the current domain whose object is not in its hands.
    /// 1: the object came back and is the current domain's alone; 0: the
    /// borrower has it, and keeps it for good if `forgive` is 1.
    pub exchange_end_loan: unsafe extern "sysv64" fn(payload: *mut u8, forgive: u32) -> Answer,

    // Proxies
    /// Exports an object of the current domain: a proxy owned by it, or null.
    pub proxy_export: unsafe extern "sysv64" fn(
        data: *const (),
        table: *const CrossTable,
        drop_export: DropExport,
        fingerprint: u64,
    ) -> *mut ProxyObject,
    /// Another proxy for the same object, owned by the current domain, or null.
    pub proxy_clone: unsafe extern "sysv64" fn(proxy: *const ProxyObject) -> *mut ProxyObject,
    /// Drops a proxy; the last one gives the object back to its domain.
    pub proxy_drop: unsafe extern "sysv64" fn(proxy: *mut ProxyObject),

    /// Makes every proxy for the object of `from`, whoever holds it, one for
    /// the object of `to`; how many. The owner of the old object must be dead
    /// and the interfaces the same, else `Invalid`. `from` and `to` stay as
    /// they are. A null `to`: there will be no successor. (Capability
    /// `DomainControl`.)
    pub proxy_redirect:
        unsafe extern "sysv64" fn(from: *mut ProxyObject, to: *const ProxyObject) -> Answer,
    /// Makes every proxy of the interface of `to` that the domain `holder` has for
    /// an object of a dead domain, one for the object of `to`; how many.
    /// (Capability `DomainControl`.)
    pub proxy_redirect_held:
        unsafe extern "sysv64" fn(holder: u64, to: *const ProxyObject) -> Answer,
    /// Makes calls through every proxy for the object of `proxy`, but not
    /// through that one, wait until they are redirected; how many proxies.
    /// (Capability `DomainControl`.)
    pub proxy_hold: unsafe extern "sysv64" fn(proxy: *mut ProxyObject) -> Answer,
    /// Waits until a proxy leads to another domain than the one with this slot
    /// and generation; when that one's death began, nanoseconds since boot.
    /// `NotFound`: there will be no successor. Blocks.
    pub proxy_wait: unsafe extern "sysv64" fn(
        proxy: *const ProxyObject,
        slot: *const crate::thread::DomainSlot,
        generation: u64,
        deadline_ns: u64,
    ) -> Answer,
    /// Promises that the object of `proxy` gets a successor whenever its domain
    /// dies, so that its callers may wait for it. (Capability `DomainControl`.)
    pub proxy_promise: unsafe extern "sysv64" fn(proxy: *const ProxyObject) -> Answer,
    /// Waits until a call through a proxy may be made again that has met a death:
    /// until it leads to a domain that lives, or calls through it are held.
    /// `Unsupported`: nobody has promised a successor; `NotFound`: there will be
    /// none. Blocks.
    pub proxy_wait_out:
        unsafe extern "sysv64" fn(proxy: *const ProxyObject, deadline_ns: u64) -> Answer,

    // Ends
    /// Ends the current domain with a panic message and the place it happened.
    pub panic: unsafe extern "sysv64" fn(message: *const u8, length: usize) -> !,
    /// Ends the current domain with an exit status.
    pub exit: extern "sysv64" fn(status: i32) -> !,

    // Threads
    /// Starts a thread of the current domain; its number. Its stack has
    /// `stack_bytes`, or what the kernel makes of them: 0 is the usual size.
    pub thread_spawn: unsafe extern "sysv64" fn(
        function: ThreadFunction,
        argument: *mut (),
        name: *const Name,
        priority: u32,
        stack_bytes: usize,
    ) -> Answer,
    /// Lets another ready thread run.
    pub thread_yield: extern "sysv64" fn(),
    /// Number of the CPU this runs on; it may change at any time unless the
    /// thread is bound to it.
    pub cpu_number: extern "sysv64" fn() -> u32,
    /// CPUs that run threads.
    pub cpu_count: extern "sysv64" fn() -> u32,
    /// Binds the current thread to CPUs, a bit each. `Invalid` if none of them
    /// is there.
    pub thread_bind: extern "sysv64" fn(mask: u64) -> Answer,
    /// Sleeps until the monotonic clock shows `deadline_ns`. Blocks.
    pub sleep_until: extern "sysv64" fn(deadline_ns: u64) -> Answer,
    /// Blocks while `*word == expected`, at most until `deadline_ns`
    /// (`u64::MAX`: for ever). May return early; the caller looks again.
    pub wait: unsafe extern "sysv64" fn(
        word: *const AtomicU32,
        expected: u32,
        deadline_ns: u64,
    ) -> Answer,
    /// Wakes up to `count` threads that wait on `word`; how many.
    pub wake: unsafe extern "sysv64" fn(word: *const AtomicU32, count: u32) -> Answer,
    /// Monotonic nanoseconds since boot.
    pub clock_ns: extern "sysv64" fn() -> u64,
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub wall_clock_ns: extern "sysv64" fn() -> u64,
    /// Fills `buffer` from the machine's source of randomness.
    pub random: unsafe extern "sysv64" fn(buffer: *mut u8, length: usize) -> Answer,

    // Log and console
    /// Adds a line to the kernel log. `level`: 1 error … 5 trace.
    pub log: unsafe extern "sysv64" fn(level: u32, text: *const u8, length: usize),
    /// Shows what the log has so far at its outlet, if it waits for that.
    pub log_flush: extern "sysv64" fn(),
    /// Copies log bytes from position `from` on; how many. `next` gets the
    /// position after them (older bytes may have been overwritten).
    pub log_read: unsafe extern "sysv64" fn(
        from: u64,
        buffer: *mut u8,
        length: usize,
        next: *mut u64,
    ) -> Answer,
    /// Writes to the console.
    pub console_write: unsafe extern "sysv64" fn(text: *const u8, length: usize) -> Answer,
    /// Writes where the log goes, beside the console; how many bytes.
    pub console_write_error: unsafe extern "sysv64" fn(text: *const u8, length: usize) -> Answer,
    /// Reads at least one byte of console input, at most until `deadline_ns`.
    /// Blocks. 0: end of input. `position` says how many bytes since boot the reader
    /// has taken: none of those behind is lost, whoever read them before; it gets the
    /// position of the first byte that is given.
    pub console_read: unsafe extern "sysv64" fn(
        position: *mut u64,
        buffer: *mut u8,
        length: usize,
        deadline_ns: u64,
    ) -> Answer,

    // Images and domains (capability `DomainControl`)
    /// Verifies a signed image and keeps a copy; its handle. On `BadImage` one
    /// line that says which check failed lies in `message` (160 bytes),
    /// zero-padded.
    pub image_open: unsafe extern "sysv64" fn(
        bytes: *const u8,
        length: usize,
        message: *mut [u8; 160],
    ) -> Answer,
    /// Copies the image's note.
    pub image_note:
        unsafe extern "sysv64" fn(image: u64, note: *mut crate::note::DomainNote) -> Answer,
    /// Copies what the image's signature says it is.
    pub image_identity:
        unsafe extern "sysv64" fn(image: u64, identity: *mut crate::role::ImageIdentity) -> Answer,
    /// Forgets an image; domains started from it go on.
    pub image_close: extern "sysv64" fn(image: u64) -> Answer,
    /// Starts a domain and runs its entry on this thread. `BadGrants` also if the
    /// caller's or the image's role forbids it ([`crate::role::Role`]). Blocks.
    pub domain_start: unsafe extern "sysv64" fn(request: *mut StartRequest) -> Answer,
    /// Begins the end of a domain; returns at once.
    pub domain_kill: extern "sysv64" fn(id: u64, cause: u32) -> Answer,
    /// 1 while a call of another domain's may be under way in a domain.
    pub domain_is_called: extern "sysv64" fn(id: u64) -> Answer,
    /// Makes something go wrong in a domain, a
    /// [`crate::death::InjectedFault`]: on a thread that executes in it, at
    /// whatever instruction chance finds it within `within_ns`; after that, or
    /// if that is 0, on one that waits in it or a fresh one. `seed` makes the
    /// chance. 1: a thread was executing there, or the device's fault
    /// happened; 0: it was not, or the device gave no occasion. `Unsupported`:
    /// the domain has no such device; `Busy`: another such call is under way.
    /// Blocks.
    pub domain_inject: extern "sysv64" fn(id: u64, fault: u32, within_ns: u64, seed: u64) -> Answer,
    /// What a dead domain still has: exchange objects, threads, device memory
    /// and interrupts. 0 once it is reclaimed.
    pub domain_leftovers: extern "sysv64" fn(id: u64) -> Answer,
    /// Lists domains; how many there are (may exceed `capacity`).
    pub domain_list: unsafe extern "sysv64" fn(list: *mut DomainInfo, capacity: usize) -> Answer,
    /// Fills in the edges of the domain graph; how many there are. (Capability
    /// `DomainControl`, as the next three.)
    pub edge_list: unsafe extern "sysv64" fn(list: *mut EdgeInfo, capacity: usize) -> Answer,
    /// Times one call in `one_in`, a power of two; 0: none.
    pub sampling_set: extern "sysv64" fn(one_in: u32) -> Answer,
    /// Begins (1) a trace of calls into and out of a domain (id 0: all), ends
    /// (0) it, or frees (2) what it recorded.
    pub trace_control: extern "sysv64" fn(action: u32, domain: u64) -> Answer,
    /// Copies events of the ended trace from number `from` on; how many.
    pub trace_read:
        unsafe extern "sysv64" fn(from: usize, events: *mut TraceEvent, capacity: usize) -> Answer,
    /// Waits until the domain is dead and reclaimed. Blocks. `id` 0: any
    /// domain, each reported once.
    pub domain_wait_death:
        unsafe extern "sysv64" fn(id: u64, deadline_ns: u64, notice: *mut DeathNotice) -> Answer,
    /// Waits for a death after the `after`-th since boot; the number of the one
    /// it copies the notice of: the next, unless that is forgotten. Blocks.
    pub domain_next_death:
        unsafe extern "sysv64" fn(after: u64, deadline_ns: u64, notice: *mut DeathNotice) -> Answer,
    /// Text of crash record `sequence` (1 is the first since boot); its length.
    pub crash_record:
        unsafe extern "sysv64" fn(sequence: u64, buffer: *mut u8, length: usize) -> Answer,
    /// Resources in use now.
    pub audit: unsafe extern "sysv64" fn(audit: *mut Audit) -> Answer,
    /// Powers the machine off with an exit status; answers only if it may not.
    pub power_off: extern "sysv64" fn(status: i32) -> Answer,

    // Boot archive (capability `BootArchive`)
    /// Address and length of the boot archive's tar file, whose signature the
    /// kernel has checked; it stays mapped read-only.
    pub boot_archive:
        unsafe extern "sysv64" fn(start: *mut *const u8, length: *mut usize) -> Answer,

    // Devices (capabilities `PciFunction`, `HostFile`)
    /// The `index`-th PCI function; `NotFound` past the last.
    pub pci_list: unsafe extern "sysv64" fn(index: usize, info: *mut PciInfo) -> Answer,
    /// Makes the current domain the function's driver: memory and bus
    /// mastering on. `Busy` while another domain has it. The low
    /// byte of the answer is a [`crate::device::DmaMode`], `Open` where nothing guards
    /// against the device; above is the driver's number ([`crate::device::Lease`]).
    pub pci_claim: extern "sysv64" fn(address: u32) -> Answer,
    /// Reads a configuration register of a claimed function.
    pub pci_read: extern "sysv64" fn(address: u32, register: u32) -> Answer,
    /// Maps memory BAR `bar` of a claimed function uncached; its address or null.
    pub pci_map_bar: extern "sysv64" fn(address: u32, bar: u32) -> *mut u8,
    /// Says how a claimed function is stopped when its driver dies. Without it
    /// the function is reset, which takes 100 ms (PCI Express, 6.6.2).
    pub pci_set_stop:
        unsafe extern "sysv64" fn(address: u32, recipe: *const crate::device::StopRecipe) -> Answer,
    /// Binds MSI-X vector `index` (or the legacy interrupt, if there is no
    /// MSI-X) of a claimed function; interrupt handle.
    pub interrupt_bind: extern "sysv64" fn(address: u32, index: u32) -> Answer,
    /// Waits until the interrupt's count differs from `seen`; the new count.
    /// Blocks.
    pub interrupt_wait: extern "sysv64" fn(handle: u64, seen: u64, deadline_ns: u64) -> Answer,
    /// Physical address of a mapped byte, for a device; 0 when not mapped, or not
    /// within reach of the device ([`Self::dma_open`]).
    /// Valid for exchange objects and `dma_allocate`d memory as a whole, for
    /// other memory to the end of its page.
    pub physical_address: extern "sysv64" fn(address: *const u8) -> u64,
    /// Lets the domain's devices use bytes as [`crate::device::loan`] says; the device
    /// address of the first. `NotWholePages` behind an IOMMU for all but objects of the
    /// exchange heap that have their pages for themselves.
    pub dma_open: extern "sysv64" fn(start: *const u8, bytes: usize, how: u32) -> Answer,
    /// Ends what [`Self::dma_open`] began. The devices may go by it until the next
    /// [`Self::dma_forget`] is over.
    pub dma_close: extern "sysv64" fn(start: *const u8, bytes: usize),
    /// Waits until the domain's devices reach nothing of what was closed.
    pub dma_forget: extern "sysv64" fn() -> Answer,
    /// Allocates physically contiguous, zeroed pages for a device; they are
    /// freed with the domain after its devices are quiesced. Null: no memory.
    /// `inbound` 1: only the device writes to them.
    pub dma_allocate: extern "sysv64" fn(pages: usize, inbound: u32) -> *mut u8,
    /// Frees pages of `dma_allocate`, whole.
    pub dma_free: unsafe extern "sysv64" fn(start: *mut u8, pages: usize),
    /// Bytes in a host file.
    pub host_file_size: extern "sysv64" fn(file: u64) -> Answer,
    /// Reads from a host file at `offset`; bytes read.
    pub host_file_read:
        unsafe extern "sysv64" fn(file: u64, offset: u64, buffer: *mut u8, length: usize) -> Answer,
    /// Writes to a host file at `offset`; bytes written.
    pub host_file_write: unsafe extern "sysv64" fn(
        file: u64,
        offset: u64,
        buffer: *const u8,
        length: usize,
    ) -> Answer,
    /// Makes a host file's data durable.
    pub host_file_sync: extern "sysv64" fn(file: u64) -> Answer,
}

/// The cause as a number, as services take it.
#[must_use]
pub const fn cause_number(cause: DeathCause) -> u32 {
    cause as u32
}
