//! Why a domain ended, as recorded and reported.

/// Cause of a domain's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum DeathCause {
    /// Its entry function returned or it called `exit`: the ordinary end.
    Exit = 0,
    /// It panicked.
    Panic = 1,
    /// It touched memory that is not mapped, or not that way.
    PageFault = 2,
    /// It ran into the guard page of its stack.
    StackOverflow = 3,
    /// It executed an undefined instruction.
    InvalidOpcode = 4,
    /// It divided by zero or overflowed a division.
    DivideError = 5,
    /// General protection, alignment or another exception.
    Protection = 6,
    /// It asked for more memory than its quota allows.
    MemoryQuota = 7,
    /// It ran longer in one call than its watchdog allows.
    Watchdog = 8,
    /// Somebody with the right to do so ended it.
    Killed = 9,
    /// It could not be started.
    StartFailed = 10,
    /// It owned more bytes on the exchange heap than its quota allows.
    ExchangeQuota = 11,
    /// It made more threads than it may have.
    ThreadLimit = 12,
    /// It held more proxies, or exported more objects, than it may.
    HandleLimit = 13,
    /// It went on logging far more than it may.
    LogFlood = 14,
    /// It used more CPU time than its share.
    CpuShare = 15,
    /// It belonged to a program that started too many processes.
    ProcessLimit = 16,
    /// It touched memory whose protection key it may not use that way.
    ProtectionKey = 17,
    /// Its device accessed memory that it was not given; an IOMMU refused.
    DeviceFault = 18,
    /// It belonged to a program whose calls others died of.
    DeadlyCalls = 19,
}

impl DeathCause {
    /// The cause with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Exit,
            1 => Self::Panic,
            2 => Self::PageFault,
            3 => Self::StackOverflow,
            4 => Self::InvalidOpcode,
            5 => Self::DivideError,
            6 => Self::Protection,
            7 => Self::MemoryQuota,
            8 => Self::Watchdog,
            9 => Self::Killed,
            10 => Self::StartFailed,
            11 => Self::ExchangeQuota,
            12 => Self::ThreadLimit,
            13 => Self::HandleLimit,
            14 => Self::LogFlood,
            15 => Self::CpuShare,
            16 => Self::ProcessLimit,
            17 => Self::ProtectionKey,
            18 => Self::DeviceFault,
            19 => Self::DeadlyCalls,
            _ => return None,
        })
    }

    /// The cause in words, as it stands in a crash record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Panic => "panic",
            Self::PageFault => "page fault",
            Self::StackOverflow => "stack overflow",
            Self::InvalidOpcode => "invalid opcode",
            Self::DivideError => "divide error",
            Self::Protection => "protection fault",
            Self::MemoryQuota => "memory quota exceeded",
            Self::Watchdog => "watchdog expired",
            Self::Killed => "killed",
            Self::StartFailed => "start failed",
            Self::ExchangeQuota => "exchange quota exceeded",
            Self::ThreadLimit => "thread limit exceeded",
            Self::HandleLimit => "handle limit exceeded",
            Self::LogFlood => "log flood",
            Self::CpuShare => "CPU share exceeded",
            Self::ProcessLimit => "process limit exceeded",
            Self::ProtectionKey => "protection key",
            Self::DeviceFault => "device fault",
            Self::DeadlyCalls => "others died of its calls",
        }
    }
}

/// What is made to go wrong in a domain (the shell's `crash`, the campaign).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum InjectedFault {
    /// End it from outside, as `kill` does.
    Kill = 0,
    /// A panic.
    Panic = 1,
    /// A read through a null pointer.
    NullDereference = 2,
    /// Endless recursion.
    StackOverflow = 3,
    /// An endless loop (ended by the watchdog or a kill).
    EndlessLoop = 4,
    /// An undefined instruction.
    IllegalInstruction = 5,
    /// A write into the code of the kernel.
    WildWrite = 6,
    /// Its next page is one more than its quota allows.
    AllocationFailure = 7,
    /// Its device completes what it was never given: what the device alone
    /// writes, such as completion queues, is overwritten. A host file transfers
    /// less than it was asked to.
    WrongCompletion = 8,
    /// An interrupt of its device does not arrive.
    LostInterrupt = 9,
    /// A write into the code of an image, where all RAM is mapped.
    WildAlias = 10,
    /// A write into the constants of an image, where all RAM is mapped.
    WildConstants = 11,
    /// A write into the page tables; where they are not the kernel's, into the boot
    /// archive.
    WildTable = 12,
}

impl InjectedFault {
    /// The fault with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Kill,
            1 => Self::Panic,
            2 => Self::NullDereference,
            3 => Self::StackOverflow,
            4 => Self::EndlessLoop,
            5 => Self::IllegalInstruction,
            6 => Self::WildWrite,
            7 => Self::AllocationFailure,
            8 => Self::WrongCompletion,
            9 => Self::LostInterrupt,
            10 => Self::WildAlias,
            11 => Self::WildConstants,
            12 => Self::WildTable,
            _ => return None,
        })
    }
}
