//! The supervisor, as administering programs see it.

use exchange::RpcResult;
use macros::{Exchangeable, interface};

/// A domain of the running system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(C)]
pub struct DomainStatus {
    /// Slot and generation in one number.
    pub id: u64,
    /// Zero-padded name.
    pub name: [u8; 32],
    /// Number of the state (`abi::services::DomainState`).
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
    /// How often the supervisor restarted it.
    pub restarts: u32,
    /// 1 if the supervisor looks after it.
    pub supervised: u32,
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
}

/// Why the supervisor refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Exchangeable)]
#[repr(u32)]
pub enum SupervisorError {
    /// No domain of that name.
    NotFound = 1,
    /// The supervisor itself cannot be ended.
    NotAllowed = 2,
    /// The kernel refused; its log says why.
    Failed = 3,
    /// A file of that kind is malformed, unsigned or altered.
    BadImage = 4,
    /// It did not happen in time.
    TimedOut = 5,
}

/// What an administrator can ask of the supervisor.
#[interface]
pub trait Supervisor {
    /// Fills `list`; how many domains there are.
    fn domains(&self, list: &mut [DomainStatus]) -> RpcResult<u64>;
    /// Makes a domain crash, by name, and waits until its end is complete
    /// (an endless loop is ended after being seen to loop).
    fn crash(&self, name: &str, cause: CrashCause) -> RpcResult<Result<(), SupervisorError>>;
    /// Ends a domain by id.
    fn kill(&self, id: u64) -> RpcResult<Result<(), SupervisorError>>;
    /// Waits until a supervised domain runs again after a death.
    fn wait_running(&self, name: &str, timeout_ns: u64) -> RpcResult<Result<(), SupervisorError>>;
    /// Copies kernel log from position `from`; bytes copied. 0: no more.
    fn log(&self, from: u64, into: &mut [u8]) -> RpcResult<u64>;
    /// Copies crash record `sequence` (the first is 1); its length, 0: none.
    fn crash_record(&self, sequence: u64, into: &mut [u8]) -> RpcResult<u64>;
    /// Resources in use now.
    fn audit(&self) -> RpcResult<AuditReport>;
    /// Syncs the disks, ends every domain and powers off with an exit status.
    fn power_off(&self, status: u32) -> RpcResult<()>;
}
