//! Starting, watching and ending domains, for whoever was granted it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use abi::death::{DeathCause, InjectedFault};
use abi::device::DmaMode;
use abi::grant::GrantKind;
use abi::note::DomainNote;
use abi::role::ImageIdentity;
use abi::services::{Audit, DeathNotice, DomainInfo, EdgeInfo, StartRequest, TraceEvent};
use abi::status::{ServiceError, check};
use exchange::thread::services;

use crate::time::{Duration, Instant};

mod start;

pub use start::{
    AnyProxy, GivenGrant, Image, ImageError, Start, StartFailure, StartOutcome, Started,
};

use start::outcome;

/// The right to start, list and end domains, and to power off.
#[derive(Debug)]
pub struct DomainControl {
    _granted: (),
}

/// A trace that runs. It ends when dropped, and what it recorded is gone.
#[derive(Debug)]
pub struct Trace {
    _runs: (),
}

/// Orders of `trace_control`.
const TRACE_STOP: u32 = 0;
const TRACE_START: u32 = 1;
const TRACE_DISCARD: u32 = 2;

impl Trace {
    /// Ends the trace; what it recorded, CPU by CPU. Each CPU keeps the newest
    /// 16,384 calls.
    #[must_use]
    pub fn finish(self) -> Vec<TraceEvent> {
        const STEP: usize = 1024;
        let mut events = Vec::new();
        // SAFETY: whoever has a trace was granted the right to it.
        let services = unsafe { services() };
        (services.trace_control)(TRACE_STOP, 0);
        loop {
            let known = events.len();
            events.resize(known + STEP, TraceEvent::default());
            // SAFETY: the list has room for `STEP` more.
            let answer =
                unsafe { (services.trace_read)(known, events[known..].as_mut_ptr(), STEP) };
            let count = usize::try_from(answer).unwrap_or(0).min(STEP);
            events.truncate(known + count);
            if count < STEP {
                return events;
            }
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // SAFETY: whoever has a trace was granted the right to it.
        let services = unsafe { services() };
        (services.trace_control)(TRACE_STOP, 0);
        (services.trace_control)(TRACE_DISCARD, 0);
    }
}

const NO_NOTICE: DeathNotice = DeathNotice {
    id: 0,
    name: [0; 32],
    cause: 0,
    exit_status: 0,
    record: 0,
    begun_ns: 0,
    caller: 0,
};

impl DomainControl {
    pub(crate) const fn granted() -> Self {
        Self { _granted: () }
    }

    /// Verifies a signed image.
    ///
    /// # Errors
    /// [`ImageError`] says which check failed.
    pub fn open_image(&self, bytes: &[u8]) -> Result<Image, ImageError> {
        let mut message = [0; 160];
        // SAFETY: the right was granted; both places live for the call.
        let answer =
            unsafe { (services().image_open)(bytes.as_ptr(), bytes.len(), &raw mut message) };
        let failed = |error| ImageError {
            error,
            message: line(&message),
        };
        let handle = check(answer).map_err(failed)?;
        let mut image = Image {
            handle,
            note: DomainNote::new("", &[], None),
            identity: ImageIdentity::NONE,
        };
        // SAFETY: as above.
        check(unsafe { (services().image_note)(handle, &raw mut image.note) }).map_err(failed)?;
        let identity = &raw mut image.identity;
        // SAFETY: as above.
        check(unsafe { (services().image_identity)(handle, identity) }).map_err(failed)?;
        Ok(image)
    }

    /// Starts a domain and runs its entry function on this thread.
    ///
    /// # Errors
    /// [`StartFailure`]; all grants are gone then, too.
    pub fn start(&self, image: &Image, mut start: Start<'_>) -> Result<Started, StartFailure> {
        let grants = start.in_order(image).map_err(|message| StartFailure {
            id: 0,
            error: ServiceError::BadGrants,
            cause: None,
            message,
        })?;
        let plain = grants.iter().map(|given| given.grant).collect::<Vec<_>>();
        let mut request = StartRequest {
            image: image.handle,
            name: abi::note::name(start.name),
            grants: plain.as_ptr(),
            grant_count: plain.len(),
            limits: start.limits,
            detached: u32::from(start.detached),
            apart: u32::from(start.apart),
            id: 0,
            result: 0,
            exit_status: 0,
            object: core::ptr::null_mut(),
            cause: 0,
            message_length: 0,
            message: [0; 160],
        };
        // SAFETY: the right was granted; the request and what it points to live
        // for the call.
        let answer = unsafe { (services().domain_start)(&raw mut request) };
        if request.id != 0 {
            // There was a domain: the proxies became its property.
            grants.into_iter().for_each(core::mem::forget);
        }
        check(answer).map_err(|error| StartFailure {
            id: request.id,
            error,
            cause: (error == ServiceError::Dead)
                .then(|| DeathCause::from_number(request.cause))
                .flatten(),
            message: line(&request.message),
        })?;
        Ok(Started {
            id: request.id,
            outcome: outcome(&request),
        })
    }

    /// Begins the end of a domain; returns at once.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when it is dead already.
    pub fn kill(&self, id: u64, cause: DeathCause) -> Result<(), ServiceError> {
        // SAFETY: the right was granted.
        check((unsafe { services() }.domain_kill)(id, cause as u32)).map(drop)
    }

    /// Makes something go wrong in a domain, in a call that executes or waits in
    /// it, or on a fresh thread.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when it is dead already.
    pub fn inject(&self, id: u64, fault: InjectedFault) -> Result<(), ServiceError> {
        self.inject_within(id, fault, Duration::ZERO, 0).map(drop)
    }

    /// Makes something go wrong in a domain: at whatever instruction chance,
    /// made from `seed`, finds a thread executing in it during `within`;
    /// afterwards, or if that is zero, in a call that waits in it or on a fresh
    /// thread. Whether a thread was executing there, or the device's fault
    /// happened. Blocks.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when it is dead already,
    /// [`ServiceError::Unsupported`] when it has no device that could fail so.
    pub fn inject_within(
        &self,
        id: u64,
        fault: InjectedFault,
        within: Duration,
        seed: u64,
    ) -> Result<bool, ServiceError> {
        let within_ns = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: the right was granted.
        let inject = unsafe { services() }.domain_inject;
        check(inject(id, fault as u32, within_ns, seed)).map(|caught| caught == 1)
    }

    /// What a dead domain still has: exchange objects, threads, device memory
    /// and interrupts. 0 once it is reclaimed.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when there never was such a domain.
    pub fn leftovers(&self, id: u64) -> Result<u64, ServiceError> {
        // SAFETY: the right was granted.
        check((unsafe { services() }.domain_leftovers)(id))
    }

    /// All domains.
    ///
    /// # Errors
    /// [`ServiceError`] when the kernel cannot tell.
    pub fn list(&self) -> Result<Vec<DomainInfo>, ServiceError> {
        let mut list = vec![DomainInfo::default(); 64];
        loop {
            // SAFETY: the right was granted; the list has this room.
            let count = check(unsafe { (services().domain_list)(list.as_mut_ptr(), list.len()) })?;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count <= list.len() {
                list.truncate(count);
                return Ok(list);
            }
            list.resize(count + 16, DomainInfo::default());
        }
    }

    /// The edges of the domain graph: who holds a proxy for whom, with calls.
    ///
    /// # Errors
    /// [`ServiceError`] when the kernel cannot tell.
    pub fn edges(&self) -> Result<Vec<EdgeInfo>, ServiceError> {
        let mut list = vec![EdgeInfo::default(); 64];
        loop {
            // SAFETY: the right was granted; the list has room for as many as
            // it is said to have.
            let answer = unsafe { (services().edge_list)(list.as_mut_ptr(), list.len()) };
            let count = usize::try_from(check(answer)?).unwrap_or(usize::MAX);
            if count <= list.len() {
                list.truncate(count);
                return Ok(list);
            }
            list.resize(count + 16, EdgeInfo::default());
        }
    }

    /// Times one call in `one_in`, a power of two; 0: none.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for another number.
    pub fn set_sampling(&self, one_in: u32) -> Result<(), ServiceError> {
        // SAFETY: the right was granted.
        check((unsafe { services() }.sampling_set)(one_in)).map(drop)
    }

    /// Records every call into and out of a domain (`None`: of all) until the
    /// trace is dropped or read.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] while another trace runs, [`ServiceError::NoMemory`].
    pub fn trace(&self, domain: Option<u64>) -> Result<Trace, ServiceError> {
        // SAFETY: the right was granted.
        check((unsafe { services() }.trace_control)(
            TRACE_START,
            domain.unwrap_or(0),
        ))?;
        Ok(Trace { _runs: () })
    }

    /// Waits until a domain is dead and reclaimed; `None`: any, each once.
    ///
    /// # Errors
    /// [`ServiceError::TimedOut`]; [`ServiceError::NotFound`] for an unknown one.
    pub fn wait_death(
        &self,
        id: Option<u64>,
        deadline: Instant,
    ) -> Result<DeathNotice, ServiceError> {
        let mut notice = NO_NOTICE;
        // SAFETY: the right was granted; the notice is writable for the call.
        check(unsafe {
            (services().domain_wait_death)(id.unwrap_or(0), deadline.nanoseconds(), &raw mut notice)
        })?;
        Ok(notice)
    }

    /// Waits for a death after the `after`-th since boot: its number and notice. It
    /// is the next one, unless that has been forgotten: the kernel remembers 1,024.
    ///
    /// # Errors
    /// [`ServiceError::TimedOut`].
    pub fn next_death(
        &self,
        after: u64,
        deadline: Instant,
    ) -> Result<(u64, DeathNotice), ServiceError> {
        let mut notice = NO_NOTICE;
        // SAFETY: the right was granted; the notice is writable for the call.
        let number = check(unsafe {
            (services().domain_next_death)(after, deadline.nanoseconds(), &raw mut notice)
        })?;
        Ok((number, notice))
    }

    /// Copies the text of a crash record, as much as there is room for; 1 is the first
    /// since boot. Returns the bytes of the whole text.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when there is none (any more).
    pub fn crash_record(&self, sequence: u64, into: &mut [u8]) -> Result<usize, ServiceError> {
        // SAFETY: the right was granted; the buffer is writable for the call.
        let answer = unsafe { (services().crash_record)(sequence, into.as_mut_ptr(), into.len()) };
        Ok(usize::try_from(check(answer)?).unwrap_or(usize::MAX))
    }

    /// Resources in use now.
    ///
    /// # Errors
    /// [`ServiceError`] when the kernel cannot tell.
    pub fn audit(&self) -> Result<Audit, ServiceError> {
        let mut audit = Audit::default();
        // SAFETY: the right was granted; the audit is writable for the call.
        check(unsafe { (services().audit)(&raw mut audit) })?;
        Ok(audit)
    }

    /// Reads the kernel log from position `from` on: bytes read and the
    /// position after them.
    ///
    /// # Errors
    /// [`ServiceError`] when the kernel cannot tell.
    pub fn read_log(&self, from: u64, buffer: &mut [u8]) -> Result<(usize, u64), ServiceError> {
        let mut next = from;
        // SAFETY: the right was granted; both places are writable for the call.
        let answer = unsafe {
            (services().log_read)(from, buffer.as_mut_ptr(), buffer.len(), &raw mut next)
        };
        let length = usize::try_from(check(answer)?)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        Ok((length, next))
    }

    /// Makes every proxy for the object of `from`, whoever holds it, one for the
    /// object of `to`, which has the same interface; how many. `from` and `to`
    /// stay as they are.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] while the owner of the old object lives, or if
    /// the interfaces differ.
    pub fn redirect(&self, from: &AnyProxy, to: &AnyProxy) -> Result<u64, ServiceError> {
        // SAFETY: the right was granted; both are live proxies held by the caller.
        check(unsafe { (services().proxy_redirect)(from.object.as_ptr(), to.object.as_ptr()) })
    }

    /// Makes every proxy of the interface of `to` that the domain `holder` has for an
    /// object of a dead domain, one for the object of `to`; how many.
    ///
    /// # Errors
    /// [`ServiceError`] on a machine without this.
    pub fn redirect_held(&self, holder: u64, to: &AnyProxy) -> Result<u64, ServiceError> {
        // SAFETY: the right was granted; a live proxy held by the caller.
        check(unsafe { (services().proxy_redirect_held)(holder, to.object.as_ptr()) })
    }

    /// Makes calls through every other proxy for the object of `proxy` wait until
    /// they are redirected; how many proxies.
    ///
    /// # Errors
    /// [`ServiceError`] on a machine without this.
    pub fn hold(&self, proxy: &AnyProxy) -> Result<u64, ServiceError> {
        // SAFETY: the right was granted; a live proxy held by the caller.
        check(unsafe { (services().proxy_hold)(proxy.object.as_ptr()) })
    }

    /// Promises that the object of `proxy` gets a successor whenever its domain
    /// dies: calls that may be made twice then wait for it. [`Self::abandon`] ends
    /// that.
    pub fn promise(&self, proxy: &AnyProxy) {
        // SAFETY: the right was granted; a live proxy held by the caller. It
        // cannot fail.
        let _always = unsafe { (services().proxy_promise)(proxy.object.as_ptr()) };
    }

    /// Whether a call of another domain's may be under way in a domain.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when it is dead.
    pub fn is_called(&self, id: u64) -> Result<bool, ServiceError> {
        // SAFETY: the right was granted.
        check((unsafe { services() }.domain_is_called)(id)).map(|answer| answer != 0)
    }

    /// Says that the object of `proxy`, whose domain is dead, will have no
    /// successor: who waits for one learns it.
    pub fn abandon(&self, proxy: &AnyProxy) {
        // SAFETY: the right was granted; a live proxy held by the caller. It
        // cannot fail.
        let _moved =
            unsafe { (services().proxy_redirect)(proxy.object.as_ptr(), core::ptr::null()) };
    }

    /// The `index`-th PCI function; `None` past the last.
    #[must_use]
    pub fn pci_function(&self, index: usize) -> Option<abi::device::PciInfo> {
        let mut info = abi::device::PciInfo::default();
        // SAFETY: the right was granted; the place is writable for the call.
        check(unsafe { (services().pci_list)(index, &raw mut info) }).ok()?;
        Some(info)
    }

    /// Powers the machine off with an exit status.
    pub fn power_off(&self, status: i32) -> ! {
        // SAFETY: the right was granted.
        let answer = (unsafe { services() }.power_off)(status);
        panic!("the kernel does not power off: {:?}", check(answer))
    }

    /// The right to drive a PCI function, to hand on, and how an IOMMU guards against
    /// it; the packed address is in [`abi::device::PciInfo`].
    #[must_use]
    pub fn grant_pci_function(&self, address: u32, dma: DmaMode) -> GivenGrant<'static> {
        GivenGrant::new(GrantKind::PciFunction, 0, u64::from(address), dma as u64)
    }

    /// A file of the host, to hand on.
    #[must_use]
    pub fn grant_host_file(&self, number: u64) -> GivenGrant<'static> {
        GivenGrant::new(GrantKind::HostFile, 0, number, 0)
    }

    /// The right to control domains, to hand on.
    #[must_use]
    pub fn grant_control(&self) -> GivenGrant<'static> {
        GivenGrant::new(GrantKind::DomainControl, 0, 0, 0)
    }

    /// The right to use the console, to hand on.
    #[must_use]
    pub fn grant_console(&self) -> GivenGrant<'static> {
        GivenGrant::new(GrantKind::Console, 0, 0, 0)
    }

    /// The right to read the boot archive, to hand on.
    #[must_use]
    pub fn grant_boot_archive(&self) -> GivenGrant<'static> {
        GivenGrant::new(GrantKind::BootArchive, 0, 0, 0)
    }
}

/// Text of a zero-padded line.
fn line(bytes: &[u8]) -> String {
    let length = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}
