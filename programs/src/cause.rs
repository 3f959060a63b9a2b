//! Causes of a crash: by their names, and as the supervisor knows them.

use campaign::Cause;
use posix::prelude::*;
use posix::supervisor::CrashCause;

/// The cause with a name.
///
/// # Errors
/// What to complain of: the names there are.
pub fn parse(name: &str) -> Result<Cause, String> {
    Cause::from_name(name).ok_or_else(|| {
        let names = Cause::ALL.map(Cause::name).join(", ");
        format!("{name}: not a cause ({names})")
    })
}

/// The supervisor's word for a cause.
pub const fn crash_cause(cause: Cause) -> CrashCause {
    match cause {
        Cause::Kill => CrashCause::Kill,
        Cause::Panic => CrashCause::Panic,
        Cause::NullDereference => CrashCause::NullDereference,
        Cause::StackOverflow => CrashCause::StackOverflow,
        Cause::EndlessLoop => CrashCause::EndlessLoop,
        Cause::IllegalInstruction => CrashCause::IllegalInstruction,
        Cause::WildWrite => CrashCause::WildWrite,
        Cause::AllocationFailure => CrashCause::AllocationFailure,
        Cause::WrongCompletion => CrashCause::WrongCompletion,
        Cause::LostInterrupt => CrashCause::LostInterrupt,
        Cause::WildAlias => CrashCause::WildAlias,
        Cause::WildConstants => CrashCause::WildConstants,
        Cause::WildTable => CrashCause::WildTable,
    }
}
