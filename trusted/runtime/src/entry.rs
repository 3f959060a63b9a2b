//! Entry of an image: grants become parameters, its result a [`StartFrame`].
//!
//! Called by what `#[domain]` and `#[program]` generate.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Display};
use core::ptr::NonNull;

pub use abi::grant::StartFrame;
use abi::grant::{Grant, GrantKind, StartResult};
pub use abi::note::{DomainNote, ParameterNote};
use exchange::{Interface, Proxy};

use crate::archive::BootArchive;
use crate::console::Console;
use crate::control::DomainControl;
use crate::host_file::HostFile;
use crate::options::Options;

/// Why a domain cannot start: one line for whoever reads the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartError {
    text: String,
}

impl StartError {
    /// An error with this text.
    #[must_use]
    pub fn new(text: impl Display) -> Self {
        Self {
            text: alloc::format!("{text}"),
        }
    }

    /// The line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Any error says why the domain cannot start.
impl<E: core::error::Error> From<E> for StartError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// A type a domain can have as a parameter: a capability.
///
/// # Safety
/// `from_grant` makes no more than the grant stands for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a domain",
    note = "parameters are capabilities: `Proxy<dyn Interface>`, `Option<Proxy<dyn Interface>>`, `Options`, `Bytes`, `PciFunction`, `DomainControl`, `Console`, `HostFile`, `BootArchive`"
)]
pub unsafe trait FromGrant: Sized {
    /// Kind of grant.
    const KIND: GrantKind;
    /// Whether it may be absent.
    const OPTIONAL: bool = false;
    /// Name of the interface, for a proxy.
    const INTERFACE: &'static str = "";
    /// Fingerprint of the interface, for a proxy.
    const FINGERPRINT: u64 = 0;

    /// The capability.
    ///
    /// # Errors
    /// [`StartError`] when it cannot be used.
    ///
    /// # Safety
    /// The grant is of this kind and fingerprint (or absent, if optional), was
    /// given to this domain and is used once.
    unsafe fn from_grant(grant: &Grant) -> Result<Self, StartError>;
}

// SAFETY: the grant hands over one proxy.
unsafe impl<I: ?Sized + Interface> FromGrant for Proxy<I> {
    const KIND: GrantKind = GrantKind::Proxy;
    const INTERFACE: &'static str = I::NAME;
    const FINGERPRINT: u64 = I::FINGERPRINT;

    unsafe fn from_grant(grant: &Grant) -> Result<Self, StartError> {
        let object = NonNull::new(grant.first as *mut _)
            .ok_or_else(|| StartError::new("the kernel passed a null proxy"))?;
        // SAFETY: the caller's promise: a proxy of this interface, now ours.
        Ok(unsafe { Self::from_object(object) })
    }
}

// SAFETY: as what it may hold.
unsafe impl<T: FromGrant> FromGrant for Option<T> {
    const KIND: GrantKind = T::KIND;
    const OPTIONAL: bool = true;
    const INTERFACE: &'static str = T::INTERFACE;
    const FINGERPRINT: u64 = T::FINGERPRINT;

    unsafe fn from_grant(grant: &Grant) -> Result<Self, StartError> {
        if grant.kind == GrantKind::Absent as u32 {
            return Ok(None);
        }
        // SAFETY: the caller's promise; it is not absent.
        unsafe { T::from_grant(grant) }.map(Some)
    }
}

// SAFETY: it copies the bytes.
unsafe impl FromGrant for Options {
    const KIND: GrantKind = GrantKind::Text;
    const OPTIONAL: bool = true;

    unsafe fn from_grant(grant: &Grant) -> Result<Self, StartError> {
        if grant.kind == GrantKind::Absent as u32 {
            return Ok(Self::default());
        }
        // SAFETY: the caller's promise: text for the length of the start.
        let bytes = unsafe { bytes_of(grant) };
        let text = core::str::from_utf8(bytes)
            .map_err(|_| StartError::new("the options are not UTF-8 text"))?;
        Ok(Self::new(text.into()))
    }
}

/// Bytes given at the start, copied to the private heap.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bytes(pub Vec<u8>);

// SAFETY: it copies the bytes.
unsafe impl FromGrant for Bytes {
    const KIND: GrantKind = GrantKind::Bytes;

    unsafe fn from_grant(grant: &Grant) -> Result<Self, StartError> {
        // SAFETY: the caller's promise: bytes for the length of the start.
        Ok(Self(unsafe { bytes_of(grant) }.into()))
    }
}

/// The bytes a `Text` or `Bytes` grant lends.
///
/// # Safety
/// The grant is one of these, and the start call still runs.
unsafe fn bytes_of<'a>(grant: &Grant) -> &'a [u8] {
    let length = usize::try_from(grant.second).unwrap_or(0);
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(grant.first as *const u8, length) }
}

macro_rules! right {
    ($($type:ident),*) => {$(
        // SAFETY: the grant stands for this right.
        unsafe impl FromGrant for $type {
            const KIND: GrantKind = GrantKind::$type;

            unsafe fn from_grant(_: &Grant) -> Result<Self, StartError> {
                Ok(Self::granted())
            }
        }
    )*};
}

right!(DomainControl, Console, BootArchive);

// SAFETY: the grant stands for this one file.
unsafe impl FromGrant for HostFile {
    const KIND: GrantKind = GrantKind::HostFile;

    unsafe fn from_grant(grant: &Grant) -> Result<Self, StartError> {
        Ok(Self::granted(grant.first))
    }
}

/// The note of a parameter.
#[must_use]
pub const fn parameter<T: FromGrant>(name: &str) -> ParameterNote {
    ParameterNote {
        name: abi::note::name(name),
        kind: T::KIND as u32,
        optional: T::OPTIONAL as u32,
        fingerprint: T::FINGERPRINT,
        interface: abi::note::name(T::INTERFACE),
    }
}

/// What a domain's function may return.
#[diagnostic::on_unimplemented(
    message = "a domain cannot return `{Self}`",
    note = "a domain returns `Result<Arc<dyn Interface>, StartError>`, `Result<(), StartError>` if it provides nothing, or `Result<ExitStatus, StartError>` if it ends at once"
)]
pub trait Outcome: sealed::Conclude {
    /// Name and fingerprint of the provided interface.
    const PROVIDES: Option<(&'static str, u64)>;
}

/// The kernel believes what a domain's function came to, an address included. So
/// nothing here can be named outside of this file.
mod sealed {
    use core::ptr::NonNull;

    use super::{ExitStatus, StartError};

    pub trait Conclude {
        /// What the function came to.
        ///
        /// # Errors
        /// [`StartError`] when there is no memory for the object.
        fn conclude(self) -> Result<Conclusion, StartError>;
    }

    /// What a domain's function came to.
    pub enum Conclusion {
        /// The domain lives on and provides the object at this address.
        Provides(NonNull<()>),
        /// The domain lives on and provides nothing.
        Stays,
        /// The domain is done.
        Exits(ExitStatus),
    }
}

impl<I: ?Sized + Interface> Outcome for Arc<I> {
    const PROVIDES: Option<(&'static str, u64)> = Some((I::NAME, I::FINGERPRINT));
}

impl<I: ?Sized + Interface> sealed::Conclude for Arc<I> {
    fn conclude(self) -> Result<sealed::Conclusion, StartError> {
        let proxy = Proxy::try_export(self)?;
        // SAFETY: the address goes to the kernel.
        let object = unsafe { Proxy::into_object(proxy) };
        Ok(sealed::Conclusion::Provides(object.cast()))
    }
}

impl Outcome for () {
    const PROVIDES: Option<(&'static str, u64)> = None;
}

impl sealed::Conclude for () {
    fn conclude(self) -> Result<sealed::Conclusion, StartError> {
        Ok(sealed::Conclusion::Stays)
    }
}

impl Outcome for ExitStatus {
    const PROVIDES: Option<(&'static str, u64)> = None;
}

impl sealed::Conclude for ExitStatus {
    fn conclude(self) -> Result<sealed::Conclusion, StartError> {
        Ok(sealed::Conclusion::Exits(self))
    }
}

/// The grants of a start, taken one by one.
pub struct Grants<'a> {
    rest: &'a [Grant],
}

impl fmt::Debug for Grants<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Grants({})", self.rest.len())
    }
}

impl Grants<'_> {
    /// The next grant as a parameter.
    ///
    /// # Errors
    /// [`StartError`] when it is missing or of another kind or interface.
    pub fn take<T: FromGrant>(&mut self, name: &str) -> Result<T, StartError> {
        let (grant, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| StartError::new(format_args!("parameter `{name}` was not granted")))?;
        self.rest = rest;
        let absent = grant.kind == GrantKind::Absent as u32 && T::OPTIONAL;
        if !absent && grant.kind != T::KIND as u32 {
            return Err(StartError::new(format_args!(
                "parameter `{name}` was granted as another kind (expected {:?})",
                T::KIND
            )));
        }
        if !absent && grant.fingerprint != T::FINGERPRINT {
            return Err(StartError::new(format_args!(
                "parameter `{name}` is another version of interface {}",
                T::INTERFACE
            )));
        }
        // SAFETY: kind and fingerprint are right; `start_domain`'s caller
        // promised that the grants are this domain's; each is taken once.
        unsafe { T::from_grant(grant) }
    }
}

/// Runs a domain's function.
///
/// # Safety
/// Called once, by the entry of an image, with the kernel's frame.
pub unsafe fn start_domain<T: Outcome>(
    start: *mut StartFrame,
    function: impl FnOnce(&mut Grants<'_>) -> Result<T, StartError>,
) {
    // SAFETY: the caller's promise: a frame that lives for this call.
    let (frame, mut grants) = unsafe { begin(start) };
    match function(&mut grants).and_then(sealed::Conclude::conclude) {
        Ok(sealed::Conclusion::Provides(object)) => {
            frame.object = object.as_ptr();
            frame.result = StartResult::Provides as u32;
        }
        Ok(sealed::Conclusion::Stays) => frame.result = StartResult::Stays as u32,
        Ok(sealed::Conclusion::Exits(status)) => {
            frame.exit_status = status.0;
            frame.result = StartResult::Exited as u32;
        }
        Err(error) => fail(frame, &error),
    }
}

/// What a program returns, as its exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExitStatus(pub i32);

impl From<()> for ExitStatus {
    fn from((): ()) -> Self {
        Self(0)
    }
}

impl From<i32> for ExitStatus {
    fn from(status: i32) -> Self {
        Self(status)
    }
}

/// Runs a program: a domain that ends when its function returns. Its grants are
/// a proxy of `I` and bytes with its arguments.
///
/// # Safety
/// Called once, by the entry of an image, with the kernel's frame.
pub unsafe fn start_program<I: ?Sized + Interface, S: Into<ExitStatus>>(
    start: *mut StartFrame,
    function: impl FnOnce(Proxy<I>, Bytes) -> S,
) {
    // SAFETY: the caller's promise: a frame that lives for this call.
    let (frame, mut grants) = unsafe { begin(start) };
    let parameters = grants
        .take("process")
        .and_then(|process| Ok((process, grants.take("arguments")?)));
    match parameters {
        Ok((process, arguments)) => {
            frame.exit_status = function(process, arguments).into().0;
            frame.result = StartResult::Exited as u32;
        }
        Err(error) => fail(frame, &error),
    }
}

/// # Safety
/// As [`start_domain`].
unsafe fn begin<'a>(start: *mut StartFrame) -> (&'a mut StartFrame, Grants<'a>) {
    crate::logging::install();
    // SAFETY: the caller's promise: the frame and its grants live for the call.
    unsafe {
        let frame = &mut *start;
        let rest = if frame.grant_count == 0 {
            &[]
        } else {
            core::slice::from_raw_parts(frame.grants, frame.grant_count)
        };
        (frame, Grants { rest })
    }
}

fn fail(frame: &mut StartFrame, error: &StartError) {
    let text = error.text();
    let length = text.floor_char_boundary(frame.error.len().min(text.len()));
    frame.error[..length].copy_from_slice(&text.as_bytes()[..length]);
    frame.error_length = length;
    frame.result = StartResult::Failed as u32;
}
