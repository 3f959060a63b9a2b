//! What can go wrong with a crossing or an allocation.

use core::fmt;

/// What every method of an interface returns.
pub type RpcResult<T> = Result<T, RpcError>;

/// Failure of a crossing itself. Only a crossing can make one: the variants are
/// matched as `RpcError::DomainDead { .. }` and cannot be constructed elsewhere.
///
/// As wide as a register, so that a result of one word comes back in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum RpcError {
    /// The domain called was dead, or died during the call. What was moved to it
    /// is gone; what was only lent is as the domain left it.
    #[non_exhaustive]
    DomainDead,
    /// The thread's stack is too short for another crossing; the call did not
    /// start and what was to be moved is dropped.
    #[non_exhaustive]
    NoStack,
}

impl RpcError {
    /// A number for it that is not 0.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::DomainDead => 1,
            Self::NoStack => 2,
        }
    }

    /// The error with this number; `None` for 0.
    #[inline(always)]
    pub(crate) const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => None,
            2 => Some(Self::NoStack),
            _ => Some(Self::DomainDead),
        }
    }

    /// Whether the domain called is dead.
    #[must_use]
    pub const fn is_domain_dead(self) -> bool {
        matches!(self, Self::DomainDead)
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DomainDead => "the domain called is dead",
            Self::NoStack => "no stack left for another crossing",
        })
    }
}

impl core::error::Error for RpcError {}

/// The exchange heap has no room; holds what was to be placed there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ExchangeFull<T>(pub T);

impl<T> fmt::Debug for ExchangeFull<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ExchangeFull")
    }
}

impl<T> fmt::Display for ExchangeFull<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no room on the exchange heap")
    }
}

impl<T> core::error::Error for ExchangeFull<T> {}
