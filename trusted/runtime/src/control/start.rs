//! Images, what a domain is started with, and what becomes of the start.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use abi::death::DeathCause;
use abi::exchange::ProxyObject;
use abi::grant::{Grant, GrantKind, StartResult};
use abi::limits::Limits;
use abi::note::{DomainNote, MAX_PARAMETERS};
use abi::role::{ImageIdentity, Role};
use abi::services::StartRequest;
use abi::status::ServiceError;
use exchange::thread::services;
use exchange::{Interface, Proxy};

use crate::name_text;

/// A verified image that domains can be started from.
#[derive(Debug)]
pub struct Image {
    pub(super) handle: u64,
    pub(super) note: DomainNote,
    pub(super) identity: ImageIdentity,
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
    pub(super) grant: Grant,
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
pub struct AnyProxy {
    pub(super) object: NonNull<ProxyObject>,
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

impl fmt::Debug for AnyProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AnyProxy({:016x})", self.fingerprint())
    }
}

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
            // SAFETY: the address goes to the kernel only.
            object: unsafe { Proxy::into_object(proxy) },
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

    pub(super) const fn new(kind: GrantKind, fingerprint: u64, first: u64, second: u64) -> Self {
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
    pub(super) fn in_order(&mut self, image: &Image) -> Result<Vec<GivenGrant<'a>>, String> {
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

    /// What its signature says it is.
    #[must_use]
    pub const fn identity(&self) -> &ImageIdentity {
        &self.identity
    }

    /// The role it is signed for, in a word.
    #[must_use]
    pub fn role(&self) -> &'static str {
        Role::from_number(self.identity.role).map_or("nothing", Role::name)
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

/// What became of a start that did not fail.
pub(super) fn outcome(request: &StartRequest) -> StartOutcome {
    if let Some(object) = NonNull::new(request.object) {
        return StartOutcome::Provides(AnyProxy { object });
    }
    if request.result == StartResult::Exited as u32 {
        StartOutcome::Exited(request.exit_status)
    } else {
        StartOutcome::Stays
    }
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
            identity: ImageIdentity::NONE,
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
