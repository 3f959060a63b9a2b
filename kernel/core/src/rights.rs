//! What each domain was granted, as the kernel knows it.
//!
//! A capability in a domain's hands is a type without content. It keeps honest
//! code honest; code that broke the language's wall can make one up. So the kernel
//! believes none: it keeps what a domain was granted at its start, and every
//! service that needs a right asks here ([`crate::services`]).
//!
//! **Invariant:** rights are written before the domain is first entered, and never
//! while it lives, so asking is a load and a comparison.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::device::DmaMode;
use abi::grant::{Grant, GrantKind};
use abi::note::MAX_PARAMETERS;
use abi::status::{Answer, ServiceError};

use crate::domain;
use crate::limits;
use crate::log::Speaker;
use crate::record::name_text;

/// What a service asks of the domain that calls it: one of these kinds of grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Needs(u32);

impl Needs {
    pub(crate) const CONTROL: Self = Self::one(GrantKind::DomainControl);
    pub(crate) const CONSOLE: Self = Self::one(GrantKind::Console);
    pub(crate) const ARCHIVE: Self = Self::one(GrantKind::BootArchive);
    pub(crate) const FUNCTION: Self = Self::one(GrantKind::PciFunction);
    pub(crate) const HOST_FILE: Self = Self::one(GrantKind::HostFile);
    /// Which functions there are is asked by who hands them on and who has one.
    pub(crate) const CONTROL_OR_FUNCTION: Self = Self(Self::CONTROL.0 | Self::FUNCTION.0);

    const fn one(kind: GrantKind) -> Self {
        Self(1 << kind as u32)
    }

    /// A kind of grant that would do, in words.
    fn name(self) -> &'static str {
        GrantKind::from_number(self.0.trailing_zeros()).map_or("nothing", GrantKind::name)
    }
}

/// What a domain was granted.
#[derive(Debug)]
pub(crate) struct Rights {
    /// A bit for each kind.
    kinds: AtomicU32,
    /// Which functions and files, see [`object`]; 0: none.
    objects: [AtomicU64; MAX_PARAMETERS],
}

impl Rights {
    /// Nobody's.
    pub(crate) const fn new() -> Self {
        Self {
            kinds: AtomicU32::new(0),
            objects: [const { AtomicU64::new(0) }; MAX_PARAMETERS],
        }
    }

    /// Replaces those of the slot's last domain by what the next one is granted.
    pub(crate) fn begin(&self, grants: &[Grant]) {
        let mut kinds = 0;
        for (index, place) in self.objects.iter().enumerate() {
            let grant = grants.get(index);
            let kind = grant.and_then(|grant| GrantKind::from_number(grant.kind));
            let (kind, first) = kind
                .zip(grant)
                .map_or((GrantKind::Absent, 0), |(kind, grant)| match kind {
                    GrantKind::PciFunction => (kind, function(grant.first, grant.second)),
                    _ => (kind, grant.first),
                });
            if kind != GrantKind::Absent {
                kinds |= Needs::one(kind).0;
            }
            place.store(object(kind, first).unwrap_or(0), Ordering::Relaxed);
        }
        self.kinds.store(kinds, Ordering::Relaxed);
    }

    /// Whether a service that needs this may be used.
    #[inline]
    pub(crate) fn suffice(&self, needs: Needs) -> bool {
        self.kinds.load(Ordering::Relaxed) & needs.0 != 0
    }

    /// How the device of a function is to be guarded.
    ///
    /// # Errors
    /// `Denied`: the function was not granted.
    pub(crate) fn dma_mode(&self, address: u32) -> Result<DmaMode, ServiceError> {
        let kind = GrantKind::PciFunction;
        let is_granted = |mode: &DmaMode| {
            let meant = function(address.into(), *mode as u64);
            self.check_object(kind, meant).is_ok()
        };
        let mut modes = DmaMode::ALL.into_iter();
        modes.find(is_granted).ok_or(ServiceError::Denied)
    }

    /// Whether this file was granted, or this function in this mode.
    ///
    /// # Errors
    /// `Denied` if not.
    pub(crate) fn check_object(&self, kind: GrantKind, first: u64) -> Result<(), ServiceError> {
        let meant = object(kind, first).ok_or(ServiceError::Denied)?;
        let is_granted = |place: &AtomicU64| place.load(Ordering::Relaxed) == meant;
        if self.objects.iter().any(is_granted) {
            Ok(())
        } else {
            Err(ServiceError::Denied)
        }
    }
}

/// A function's address and how it is guarded in one word.
const fn function(address: u64, mode: u64) -> u64 {
    address | mode << u32::BITS
}

/// A function or file in one word, which is not 0. `None`: the kind has no objects that
/// the kernel knows by numbers, or the number is too large for one.
fn object(kind: GrantKind, first: u64) -> Option<u64> {
    const KIND_BITS: u32 = 8;
    let has_objects = matches!(kind, GrantKind::PciFunction | GrantKind::HostFile);
    let is_small = first.leading_zeros() >= KIND_BITS;
    (has_objects && is_small).then_some(first << KIND_BITS | kind as u64)
}

/// What a service answers a domain that may not use it.
pub(crate) trait Refusal {
    /// The answer.
    const DENIED: Self;
}

impl Refusal for Answer {
    const DENIED: Self = ServiceError::Denied as Self;
}

impl<T> Refusal for *mut T {
    const DENIED: Self = core::ptr::null_mut();
}

impl Refusal for u64 {
    const DENIED: Self = 0;
}

impl Refusal for () {
    const DENIED: Self = ();
}

/// Says that the current domain used a service that it may not use.
#[cold]
pub(crate) fn say_refused(service: &str, needs: Needs) {
    let domain = domain::current();
    if limits::may_log(domain) {
        let name = domain.with(|body| body.name);
        let (name, right) = (name_text(&name), needs.name());
        crate::log::write_line(
            Speaker::about(domain),
            log::Level::Warn,
            format_args!("{name}: {service} refused: the domain was granted no {right}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(kind: GrantKind, first: u64) -> Grant {
        Grant {
            kind: kind as u32,
            reserved: 0,
            fingerprint: 0,
            first,
            second: 0,
        }
    }

    #[test]
    fn a_domain_has_what_it_was_granted_and_nothing_else() {
        let rights = Rights::new();
        assert!(!rights.suffice(Needs::CONTROL));
        rights.begin(&[
            grant(GrantKind::Absent, 0),
            grant(GrantKind::Text, 7),
            grant(GrantKind::Console, 0),
        ]);
        assert!(rights.suffice(Needs::CONSOLE));
        for needs in [
            Needs::CONTROL,
            Needs::ARCHIVE,
            Needs::FUNCTION,
            Needs::HOST_FILE,
            Needs::CONTROL_OR_FUNCTION,
        ] {
            assert!(!rights.suffice(needs), "{needs:?}");
        }
    }

    #[test]
    fn the_next_domain_of_a_slot_inherits_nothing() {
        let rights = Rights::new();
        rights.begin(&[
            grant(GrantKind::DomainControl, 0),
            grant(GrantKind::HostFile, 0),
        ]);
        assert!(rights.suffice(Needs::CONTROL_OR_FUNCTION));
        rights.begin(&[]);
        assert!(!rights.suffice(Needs::CONTROL_OR_FUNCTION));
        assert!(rights.check_object(GrantKind::HostFile, 0).is_err());
    }

    #[test]
    fn objects_are_those_granted_and_no_others() {
        let rights = Rights::new();
        rights.begin(&[
            grant(GrantKind::PciFunction, 0x18),
            grant(GrantKind::HostFile, 0),
            // Text at an address that looks like a granted file's number.
            grant(GrantKind::Text, 5),
            grant(GrantKind::HostFile, 1 << 56),
        ]);
        let check = |kind, first| rights.check_object(kind, first).is_ok();
        assert!(check(GrantKind::PciFunction, 0x18));
        assert!(check(GrantKind::HostFile, 0));
        for (kind, first) in [
            (GrantKind::PciFunction, 0),
            (GrantKind::PciFunction, 0x19),
            (GrantKind::HostFile, 0x18),
            (GrantKind::HostFile, 5),
            // Not even if it was: its number does not fit.
            (GrantKind::HostFile, 1 << 56),
            (GrantKind::Text, 5),
            (GrantKind::Absent, 0),
        ] {
            assert!(!check(kind, first), "{kind:?} {first:#x}");
        }
    }

    #[test]
    fn an_unknown_kind_and_more_grants_than_parameters_give_nothing() {
        let rights = Rights::new();
        let mut grants = [grant(GrantKind::Absent, 0); MAX_PARAMETERS + 1];
        grants[0].kind = 31;
        grants[MAX_PARAMETERS] = grant(GrantKind::DomainControl, 0);
        rights.begin(&grants);
        assert!(!rights.suffice(Needs(u32::MAX)));
    }
}
