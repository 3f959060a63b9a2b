//! The supervisor, as programs see it that observe the system or administer it.
//!
//! Both have the same methods. An object for observers ([`Supervisor::observer`]) answers
//! those that change something with [`SupervisorError::NotAllowed`].

use exchange::{Proxy, RpcResult};
use macros::{Exchangeable, interface};

/// A domain of the running system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct DomainStatus {
    /// Slot and generation in one number.
    pub id: u64,
    /// Zero-padded name.
    pub name: [u8; 32],
    /// Number of the state (`abi::services::DomainState`), or [`STATE_WAITING`].
    /// Of a supervised domain that stays dead, or waits, there are only name and
    /// restarts.
    pub state: u32,
    /// Threads it made.
    pub threads: u32,
    /// Bytes of image and private heap.
    pub private_bytes: u64,
    /// Bytes of exchange objects it owns.
    pub exchange_bytes: u64,
    /// Calls into it.
    pub calls: u64,
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Buffers that its device worked on a copy of.
    pub bounces: u64,
    /// Waits until an IOMMU had forgotten pages that its device was lent.
    pub device_waits: u64,
    /// How often the supervisor restarted it.
    pub restarts: u32,
    /// 1 if the supervisor looks after it.
    pub supervised: u32,
}

/// State of a domain that is dead and will be started again.
pub const STATE_WAITING: u32 = 5;

/// A part of the kernel's log that was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct LogPart {
    /// Bytes; 0: there is no more.
    pub length: u64,
    /// The position behind them. It is not so many bytes further: not all that the log
    /// keeps is shown.
    pub next: u64,
}

/// Resources in use; each is the same before a domain starts and after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct AuditReport {
    /// Page frames.
    pub frames: u64,
    /// Objects on the exchange heap.
    pub exchange_objects: u64,
    /// Threads.
    pub threads: u64,
    /// Bound interrupts.
    pub interrupts: u64,
    /// Mapped regions.
    pub mappings: u64,
    /// Domains.
    pub domains: u64,
    /// Exported objects.
    pub exports: u64,
    /// Bytes of kernel heap.
    pub kernel_heap_bytes: u64,
}

/// An edge of the domain graph: a proxy that one domain holds for an object of
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct EdgeStatus {
    /// Id of the domain that holds the proxy.
    pub caller: u64,
    /// Id of the domain it calls; 0: that one is dead.
    pub callee: u64,
    /// Fingerprint of the interface.
    pub interface: u64,
    /// Calls made.
    pub calls: u64,
    /// Calls that found the callee dead or ended with its death.
    pub errors: u64,
    /// Calls that were timed: one in many.
    pub samples: u64,
    /// Nanoseconds that half of the timed calls took at most.
    pub median_ns: u64,
    /// Nanoseconds that 99 in 100 took at most.
    pub p99_ns: u64,
    /// Nanoseconds that all took at most.
    pub max_ns: u64,
}

/// A call that a trace recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct TracedCall {
    /// When it began, in nanoseconds since boot.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Id of the domain that called.
    pub caller: u64,
    /// Id of the domain that was called, or of its slot's next one.
    pub callee: u64,
    /// Number of the thread.
    pub thread: u32,
    /// Number of the CPU on which it ended.
    pub cpu: u32,
    /// 0: it came back; else its callee was or became dead.
    pub failed: u32,
    /// Reserved, zero.
    pub reserved: u32,
}

/// How to make a domain crash, numbered as `abi::death::InjectedFault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum CrashCause {
    /// End it from outside.
    Kill = 0,
    /// A panic.
    Panic = 1,
    /// A read through a null pointer.
    NullDereference = 2,
    /// Endless recursion.
    StackOverflow = 3,
    /// An endless loop.
    EndlessLoop = 4,
    /// An undefined instruction.
    IllegalInstruction = 5,
    /// A write into the kernel's code.
    WildWrite = 6,
    /// An allocation beyond its quota.
    AllocationFailure = 7,
    /// Its device completes what it was never given.
    WrongCompletion = 8,
    /// An interrupt of its device is lost.
    LostInterrupt = 9,
    /// A write into the code of an image, where all RAM is mapped.
    WildAlias = 10,
    /// A write into the constants of an image, where all RAM is mapped.
    WildConstants = 11,
    /// A write into the page tables; where they are not the kernel's, into the boot
    /// archive.
    WildTable = 12,
}

impl CrashCause {
    /// Whether the domain goes on where its driver copes with it.
    #[must_use]
    pub const fn is_of_device(self) -> bool {
        matches!(self, Self::WrongCompletion | Self::LostInterrupt)
    }
}

/// A fault to be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct Injection {
    /// Which.
    pub cause: CrashCause,
    /// Reserved, zero.
    pub reserved: u32,
    /// How long to wait for a thread to be found executing in the domain, in
    /// nanoseconds; then a waiting or a fresh one is struck.
    pub within_ns: u64,
    /// Makes the moments at which threads are looked at.
    pub seed: u64,
}

/// What an injected fault did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct InjectionReport {
    /// Id of the domain that was struck.
    pub id: u64,
    /// 1: while it was executing, or its device at work.
    pub was_at_work: u32,
    /// 1: it died.
    pub has_died: u32,
    /// Why, a number of `abi::death::DeathCause`.
    pub death_cause: u32,
    /// 1: its successor runs.
    pub runs_again: u32,
    /// From the beginning of its death until callers reached its successor, in
    /// nanoseconds; 0: there is none.
    pub recovery_ns: u64,
    /// What the kernel still holds for the dead domain.
    pub leftovers: u64,
    /// Other domains of the system that died meanwhile.
    pub others_died: u32,
    /// Reserved, zero.
    pub reserved: u32,
}

/// Why the supervisor refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum SupervisorError {
    /// No domain of that name.
    NotFound = 1,
    /// The object is an observer's, or nobody may do that: the supervisor and the kernel
    /// cannot be ended.
    NotAllowed = 2,
    /// The kernel refused; its log says why.
    Failed = 3,
    /// A file of that kind is malformed, unsigned or altered.
    BadImage = 4,
    /// It did not happen in time.
    TimedOut = 5,
    /// The domain does not run, or is being replaced already.
    Busy = 6,
    /// The image provides another interface than the domain.
    OtherInterface = 7,
    /// Neither the new nor the old image starts.
    DoesNotStart = 8,
    /// The domain has no device that could fail so.
    NoSuchDevice = 9,
    /// The image is signed for another role than the domain's.
    OtherRole = 10,
    /// The image is of the same package, but of an earlier version.
    OlderVersion = 11,
}

/// How a domain was replaced by another image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct UpgradeReport {
    /// How long calls waited, in nanoseconds.
    pub pause_ns: u64,
    /// 1: the new image did not work, and the old one runs again.
    pub is_rolled_back: u32,
    /// 1: calls were still under way when the old domain was ended; they were
    /// repeated by its shadow, or met its death.
    pub is_cut_off: u32,
}

/// What can be asked of the supervisor.
#[interface]
pub trait Supervisor {
    /// Whether the caller may administer the system: `NotAllowed`.
    fn authorize(&self) -> RpcResult<Result<(), SupervisorError>>;
    /// The supervisor, for who observes only: `NotAllowed` to those, who have it.
    fn observer(&self) -> RpcResult<Result<Proxy<dyn Supervisor>, SupervisorError>>;
    /// Fills `list`; how many domains there are.
    fn domains(&self, list: &mut [DomainStatus]) -> RpcResult<u64>;
    /// Makes a domain crash, by name, and waits until its end is complete (an endless
    /// loop is ended after being seen to loop).
    fn crash(&self, name: &str, cause: CrashCause) -> RpcResult<Result<(), SupervisorError>>;
    /// Makes something go wrong in a domain, by name, and waits until it is over:
    /// the domain has died, everything it had is reclaimed and its successor
    /// runs. A device's fault may leave it alive.
    fn inject(
        &self,
        name: &str,
        injection: Injection,
    ) -> RpcResult<Result<InjectionReport, SupervisorError>>;
    /// Ends a domain by id.
    fn kill(&self, id: u64) -> RpcResult<Result<(), SupervisorError>>;
    /// Waits until a supervised domain runs again after a death.
    fn wait_running(&self, name: &str, timeout_ns: u64) -> RpcResult<Result<(), SupervisorError>>;
    /// Replaces a supervised domain by one from another signed image: calls
    /// under way come to their ends, new ones wait, state is handed over, and a
    /// health check decides. Returns when the new domain has worked for a while
    /// or the old image runs again.
    fn upgrade(
        &self,
        name: &str,
        image: &[u8],
    ) -> RpcResult<Result<UpgradeReport, SupervisorError>>;
    /// As [`Supervisor::upgrade`], with an image of the boot archive.
    fn upgrade_from_archive(
        &self,
        name: &str,
        image: &str,
    ) -> RpcResult<Result<UpgradeReport, SupervisorError>>;
    /// Copies kernel log from position `from` on; 0 is the oldest there is.
    fn log(&self, from: u64, into: &mut [u8]) -> RpcResult<LogPart>;
    /// Copies crash record `sequence` (the first is 1); its length, 0: none.
    fn crash_record(&self, sequence: u64, into: &mut [u8]) -> RpcResult<u64>;
    /// Fills `list` with the edges of the domain graph; how many there are.
    fn edges(&self, list: &mut [EdgeStatus]) -> RpcResult<u64>;
    /// Times one call in `one_in`, a power of two; 0: none.
    fn set_sampling(&self, one_in: u32) -> RpcResult<Result<(), SupervisorError>>;
    /// Begins to record every call into and out of a domain, by name; of all
    /// domains if the name is empty. A trace that runs ends unread.
    fn start_trace(&self, name: &str) -> RpcResult<Result<(), SupervisorError>>;
    /// Ends the trace; how many calls it recorded.
    fn finish_trace(&self) -> RpcResult<u64>;
    /// Copies calls of the finished trace from number `from` on; how many.
    fn traced_calls(&self, from: u64, into: &mut [TracedCall]) -> RpcResult<u64>;
    /// Resources in use now.
    fn audit(&self) -> RpcResult<AuditReport>;
    /// Syncs the disks, ends every domain and powers off with an exit status.
    fn power_off(&self, status: u32) -> RpcResult<Result<(), SupervisorError>>;
}
