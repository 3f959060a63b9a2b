//! What a kernel service answers when it cannot do what was asked.

/// Failure of a kernel service. Services return it as a negative `i64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i64)]
pub enum ServiceError {
    /// No memory, or the domain's quota is used up.
    NoMemory = -1,
    /// An argument is out of range or refers to nothing.
    Invalid = -2,
    /// The thing named does not exist.
    NotFound = -3,
    /// The wait ended because its deadline passed.
    TimedOut = -4,
    /// The wait ended because the domain is dying or the kernel shuts down.
    Interrupted = -5,
    /// This machine has no such device or service.
    Unsupported = -6,
    /// The image is unsigned, altered, mismatched or malformed.
    BadImage = -7,
    /// The parameters given do not match what the image declares.
    BadGrants = -8,
    /// The domain started and reported that it cannot work.
    StartFailed = -9,
    /// The domain died.
    Dead = -10,
    /// Somebody else holds it.
    Busy = -11,
    /// The host or device reported an input/output error.
    Io = -12,
    /// The domain was not granted the right to ask for this.
    Denied = -13,
    /// What a device is to be lent does not begin and end at page boundaries.
    NotWholePages = -14,
}

impl ServiceError {
    /// The error with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            -1 => Self::NoMemory,
            -2 => Self::Invalid,
            -3 => Self::NotFound,
            -4 => Self::TimedOut,
            -5 => Self::Interrupted,
            -6 => Self::Unsupported,
            -7 => Self::BadImage,
            -8 => Self::BadGrants,
            -9 => Self::StartFailed,
            -10 => Self::Dead,
            -11 => Self::Busy,
            -12 => Self::Io,
            -13 => Self::Denied,
            -14 => Self::NotWholePages,
            _ => return None,
        })
    }
}

/// A service's answer: zero or more is a value, less is a [`ServiceError`].
pub type Answer = i64;

/// Splits an [`Answer`] into value and error.
///
/// # Errors
/// The [`ServiceError`] a negative answer stands for.
pub const fn check(answer: Answer) -> Result<u64, ServiceError> {
    if answer >= 0 {
        return Ok(answer.unsigned_abs());
    }
    match ServiceError::from_number(answer) {
        Some(error) => Err(error),
        None => Err(ServiceError::Invalid),
    }
}
