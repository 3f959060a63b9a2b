//! What can go wrong.

/// A fault, numbered as `abi::death::InjectedFault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The domain is ended from outside.
    Kill,
    /// A panic.
    Panic,
    /// A read through a null pointer.
    NullDereference,
    /// Endless recursion.
    StackOverflow,
    /// An endless loop, which the watchdog ends.
    EndlessLoop,
    /// An undefined instruction.
    IllegalInstruction,
    /// A write into the kernel's code.
    WildWrite,
    /// An allocation beyond the domain's quota.
    AllocationFailure,
    /// The device completes what it was never given.
    WrongCompletion,
    /// An interrupt of the device is lost.
    LostInterrupt,
    /// A write into an image's code, by its physical address.
    WildAlias,
    /// A write into an image's constants, by their physical address.
    WildConstants,
    /// A write into the page tables.
    WildTable,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 13] = [
        Self::Kill,
        Self::Panic,
        Self::NullDereference,
        Self::StackOverflow,
        Self::EndlessLoop,
        Self::IllegalInstruction,
        Self::WildWrite,
        Self::AllocationFailure,
        Self::WrongCompletion,
        Self::LostInterrupt,
        Self::WildAlias,
        Self::WildConstants,
        Self::WildTable,
    ];

    /// What it is called on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Panic => "panic",
            Self::NullDereference => "null",
            Self::StackOverflow => "stack",
            Self::EndlessLoop => "loop",
            Self::IllegalInstruction => "illegal",
            Self::WildWrite => "write",
            Self::AllocationFailure => "memory",
            Self::WrongCompletion => "completion",
            Self::LostInterrupt => "interrupt",
            Self::WildAlias => "alias",
            Self::WildConstants => "constants",
            Self::WildTable => "table",
        }
    }

    /// The cause with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }

    /// Whether it is the device that fails: the driver may live on.
    #[must_use]
    pub const fn is_of_device(self) -> bool {
        matches!(self, Self::WrongCompletion | Self::LostInterrupt)
    }

    /// Number of the `abi::death::DeathCause` that the domain must die of, if it
    /// must die.
    #[must_use]
    pub const fn death(self) -> Option<u32> {
        Some(match self {
            Self::Panic => 1,
            Self::NullDereference
            | Self::WildWrite
            | Self::WildAlias
            | Self::WildConstants
            | Self::WildTable => 2,
            Self::StackOverflow => 3,
            Self::IllegalInstruction => 4,
            Self::AllocationFailure => 7,
            Self::EndlessLoop => 8,
            Self::Kill => 9,
            Self::WrongCompletion | Self::LostInterrupt => return None,
        })
    }
}
