//! Starting, watching and ending domains, for whoever was granted it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use abi::death::{DeathCause, InjectedFault};
use abi::exchange::ProxyObject;
use abi::grant::{Grant, GrantKind, StartResult};
use abi::limits::Limits;
use abi::note::{DomainNote, MAX_PARAMETERS};
use abi::services::{Audit, DeathNotice, DomainInfo, EdgeInfo, StartRequest, TraceEvent};
use abi::status::{ServiceError, check};
use exchange::thread::services;
use exchange::{Interface, Proxy};

use crate::name_text;
use crate::time::{Duration, Instant};

/// The right to start, list and end domains, and to power off.
#[derive(Debug)]
pub struct DomainControl {
    _granted: (),
}

/// A verified image that domains can be started from.
#[derive(Debug)]
pub struct Image {
    handle: u64,
    note: DomainNote,
}

/// Why an image was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageError {
    /// Which kind of failure.
    pub error: ServiceError,
    /// Which check failed, in one line.
    pub message: String,
}

impl fmt::Display for ImageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(formatter, "image refused: {:?}", self.error)
        } else {
            write!(formatter, "image refused: {}", self.message)
        }
    }
}

impl core::error::Error for ImageError {}

/// A capability to hand to a new domain.
pub struct GivenGrant<'a> {
    grant: Grant,
    borrows: PhantomData<&'a [u8]>,
}

impl fmt::Debug for GivenGrant<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "GivenGrant({:?})",
            GrantKind::from_number(self.grant.kind)
        )
    }
}

/// A proxy of whatever interface, by its fingerprint.
#[derive(Debug)]
pub struct AnyProxy {
    object: NonNull<ProxyObject>,
}

/// What to start a domain with; the rest of the start's settings have defaults.
#[derive(Debug)]
pub struct Start<'a> {
    /// Name of the new domain, at most 31 bytes.
    pub name: &'a str,
    /// What it may use.
    pub limits: Limits,
    /// The domain survives the one that starts it.
    pub detached: bool,
    /// It is a program that runs on a thread of its own; it is not waited for, and
    /// the outcome of the start is [`StartOutcome::Stays`].
    pub apart: bool,
    grants: Vec<(String, GivenGrant<'a>)>,
}

/// A domain that was started.
#[derive(Debug)]
pub struct Started {
    /// Owner id of the domain.
    pub id: u64,
    /// What its entry function came to.
    pub outcome: StartOutcome,
}

impl Started {
    /// Another proxy for the object it provides, if it provides one and there
    /// is memory.
    #[must_use]
    pub fn outcome_object(&self) -> Option<AnyProxy> {
        match &self.outcome {
            StartOutcome::Provides(object) => object.try_clone().ok(),
            StartOutcome::Stays | StartOutcome::Exited(_) => None,
        }
    }
}

/// What a domain's entry function came to.
#[derive(Debug)]
pub enum StartOutcome {
    /// It lives and provides this object.
    Provides(AnyProxy),
    /// It lives and provides nothing.
    Stays,
    /// It ended with this status.
    Exited(i32),
}

/// Why a domain did not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartFailure {
    /// Owner id, if there was a domain already; else 0.
    pub id: u64,
    /// Which kind of failure.
    pub error: ServiceError,
    /// How it died, when it did.
    pub cause: Option<DeathCause>,
    /// What went wrong, in one line.
    pub message: String,
}

impl fmt::Display for StartFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.message.is_empty() {
            return formatter.write_str(&self.message);
        }
        match self.cause {
            Some(cause) => write!(formatter, "died while starting: {}", cause.name()),
            None => write!(formatter, "could not be started: {:?}", self.error),
        }
    }
}

impl core::error::Error for StartFailure {}

impl AnyProxy {
    /// Fingerprint of its interface.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        // SAFETY: the handle owns a live proxy object, whose fingerprint never
        // changes.
        unsafe { (*self.object.as_ptr()).fingerprint }
    }

    /// The proxy as one of interface `I`.
    ///
    /// # Errors
    /// Gives it back if it is one of another interface.
    pub fn downcast<I: ?Sized + Interface>(self) -> Result<Proxy<I>, Self> {
        if self.fingerprint() == I::FINGERPRINT {
            // SAFETY: an owned proxy object with this fingerprint.
            Ok(unsafe { Proxy::from_object(self.into_object()) })
        } else {
            Err(self)
        }
    }

    /// Another proxy for the same object.
    ///
    /// # Errors
    /// [`ServiceError::NoMemory`].
    pub fn try_clone(&self) -> Result<Self, ServiceError> {
        // SAFETY: a holder of a proxy may have another; the proxy is live.
        let object = unsafe { (services().proxy_clone)(self.object.as_ptr()) };
        NonNull::new(object)
            .map(|object| Self { object })
            .ok_or(ServiceError::NoMemory)
    }

    fn into_object(self) -> NonNull<ProxyObject> {
        core::mem::ManuallyDrop::new(self).object
    }
}

// SAFETY: an owned handle, as `Proxy` is.
unsafe impl Send for AnyProxy {}
// SAFETY: as `Proxy`.
unsafe impl Sync for AnyProxy {}

impl Drop for AnyProxy {
    fn drop(&mut self) {
        // SAFETY: the proxy object is ours and not used again.
        unsafe { (services().proxy_drop)(self.object.as_ptr()) };
    }
}

impl<I: ?Sized + Interface> From<Proxy<I>> for AnyProxy {
    fn from(proxy: Proxy<I>) -> Self {
        Self {
            object: Proxy::into_object(proxy),
        }
    }
}

impl<'a> GivenGrant<'a> {
    /// A proxy, moved to the new domain.
    #[must_use]
    pub fn proxy(proxy: impl Into<AnyProxy>) -> Self {
        let proxy = proxy.into();
        let fingerprint = proxy.fingerprint();
        Self::new(
            GrantKind::Proxy,
            fingerprint,
            proxy.into_object().as_ptr() as u64,
            0,
        )
    }

    /// Text, for parameters of type `Options`.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::new(GrantKind::Text, 0, text.as_ptr() as u64, text.len() as u64)
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self::new(
            GrantKind::Bytes,
            0,
            bytes.as_ptr() as u64,
            bytes.len() as u64,
        )
    }

    const fn new(kind: GrantKind, fingerprint: u64, first: u64, second: u64) -> Self {
        let grant = Grant {
            kind: kind as u32,
            reserved: 0,
            fingerprint,
            first,
            second,
        };
        Self {
            grant,
            borrows: PhantomData,
        }
    }
}

impl Drop for GivenGrant<'_> {
    fn drop(&mut self) {
        if self.grant.kind == GrantKind::Proxy as u32
            && let Some(object) = NonNull::new(self.grant.first as *mut ProxyObject)
        {
            drop(AnyProxy { object });
        }
    }
}

impl<'a> Start<'a> {
    /// A start under this name, without grants, with the default settings.
    #[must_use]
    pub const fn new(name: &'a str) -> Self {
        Self {
            name,
            limits: Limits::DEFAULT,
            detached: false,
            apart: false,
            grants: Vec::new(),
        }
    }

    /// Adds the grant for a parameter.
    #[must_use]
    pub fn give(mut self, parameter: &str, grant: GivenGrant<'a>) -> Self {
        self.grants.push((parameter.into(), grant));
        self
    }

    /// The grants in the order of the image's parameters.
    fn in_order(&mut self, image: &Image) -> Result<Vec<GivenGrant<'a>>, String> {
        let mut ordered = Vec::new();
        for parameter in image.parameters() {
            let name = name_text(&parameter.name);
            let found = self.grants.iter().position(|(given, _)| given == name);
            ordered.push(match found {
                Some(index) => self.grants.swap_remove(index).1,
                None if parameter.optional != 0 => GivenGrant::new(GrantKind::Absent, 0, 0, 0),
                None => return Err(alloc::format!("parameter `{name}` is not granted")),
            });
        }
        match self.grants.first() {
            Some((name, _)) => Err(alloc::format!(
                "{} has no parameter `{name}`",
                name_text(&image.note.name)
            )),
            None => Ok(ordered),
        }
    }
}

impl Image {
    /// What the image says about itself.
    #[must_use]
    pub const fn note(&self) -> &DomainNote {
        &self.note
    }

    /// The parameters of its entry function.
    #[must_use]
    pub fn parameters(&self) -> &[abi::note::ParameterNote] {
        let count = (self.note.parameter_count as usize).min(MAX_PARAMETERS);
        &self.note.parameters[..count]
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: the image was opened by its holder. Closing fails only for
        // handles that are not open.
        let _closed = (unsafe { services() }.image_close)(self.handle);
    }
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
        };
        // SAFETY: as above.
        check(unsafe { (services().image_note)(handle, &raw mut image.note) }).map_err(failed)?;
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
        const EMPTY: DomainInfo = DomainInfo {
            id: 0,
            name: [0; 32],
            state: 0,
            threads: 0,
            private_bytes: 0,
            exchange_bytes: 0,
            calls: 0,
            cpu_ns: 0,
        };
        let mut list = vec![EMPTY; 64];
        loop {
            // SAFETY: the right was granted; the list has this room.
            let count = check(unsafe { (services().domain_list)(list.as_mut_ptr(), list.len()) })?;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count <= list.len() {
                list.truncate(count);
                return Ok(list);
            }
            list.resize(count + 16, EMPTY);
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

    /// Text of a crash record; 1 is the first since boot.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when there is none (any more).
    pub fn crash_record(&self, sequence: u64) -> Result<String, ServiceError> {
        let mut bytes = vec![0; 16 * 1024];
        // SAFETY: the right was granted; the buffer is writable for the call.
        let answer =
            unsafe { (services().crash_record)(sequence, bytes.as_mut_ptr(), bytes.len()) };
        bytes.truncate(usize::try_from(check(answer)?).unwrap_or(usize::MAX));
        Ok(String::from_utf8_lossy(&bytes).into_owned())
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
        (unsafe { services() }.power_off)(status)
    }

    /// The right to drive a PCI function, to hand on; the packed address is in
    /// [`abi::device::PciInfo`].
    #[must_use]
    pub fn grant_pci_function(&self, address: u32) -> GivenGrant<'static> {
        GivenGrant::new(GrantKind::PciFunction, 0, u64::from(address), 0)
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

fn outcome(request: &StartRequest) -> StartOutcome {
    if let Some(object) = NonNull::new(request.object) {
        return StartOutcome::Provides(AnyProxy { object });
    }
    if request.result == StartResult::Exited as u32 {
        StartOutcome::Exited(request.exit_status)
    } else {
        StartOutcome::Stays
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

#[cfg(test)]
mod tests {
    use super::*;
    use abi::note::ParameterNote;

    fn parameter(name: &str, kind: GrantKind, optional: u32) -> ParameterNote {
        ParameterNote {
            name: abi::note::name(name),
            kind: kind as u32,
            optional,
            ..ParameterNote::EMPTY
        }
    }

    fn image() -> Image {
        let parameters = [
            parameter("options", GrantKind::Text, 0),
            parameter("spare", GrantKind::Proxy, 1),
            parameter("arguments", GrantKind::Bytes, 0),
        ];
        Image {
            handle: 0,
            note: DomainNote::new("disk", &parameters, None),
        }
    }

    fn kinds(start: &mut Start<'_>) -> Result<Vec<u32>, String> {
        let grants = start.in_order(&image())?;
        Ok(grants.iter().map(|given| given.grant.kind).collect())
    }

    #[test]
    fn grants_follow_the_order_of_the_note() {
        let mut start = Start::new("disk0")
            .give("arguments", GivenGrant::bytes(b"-l"))
            .give("options", GivenGrant::text("a=1"));
        let expected = [GrantKind::Text, GrantKind::Absent, GrantKind::Bytes];
        assert_eq!(
            kinds(&mut start),
            Ok(expected.map(|kind| kind as u32).to_vec())
        );
    }

    #[test]
    fn a_wrong_grant_is_named() {
        let mut missing = Start::new("disk0").give("options", GivenGrant::text(""));
        let message = "parameter `arguments` is not granted";
        assert_eq!(kinds(&mut missing), Err(message.into()));
        let mut unknown = Start::new("disk0")
            .give("options", GivenGrant::text(""))
            .give("arguments", GivenGrant::bytes(b""))
            .give("console", GivenGrant::text(""));
        let message = "disk has no parameter `console`";
        assert_eq!(kinds(&mut unknown), Err(message.into()));
    }
}
