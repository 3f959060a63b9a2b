//! The kernel's lock-free protocols, for a model checker.
//!
//! The modules below [`sync`] are the kernel's own source files. They take their
//! atomics and locks by the names of modules, which are the model checker's here;
//! tests/ runs them in every interleaving.
#![forbid(unsafe_code)]

/// Most times that a thread is interrupted where it would not have waited. Faults
/// that need more are rare (Musuvathi, Qadeer: Iterative context bounding, 2007),
/// and without a bound three threads take minutes.
const INTERRUPTIONS: usize = 3;

/// Runs `model` in every interleaving.
///
/// # Panics
/// When one of them does.
pub fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(INTERRUPTIONS);
    builder.check(model);
}

/// What the sources call `crate::atomic`.
pub mod atomic {
    pub use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };
}

/// What the sources call `crate::exchange`.
pub mod exchange {
    pub use abi::exchange::HELD;
}

/// What the sources call `crate::thread`.
pub mod thread {
    use crate::atomic::AtomicU64;

    /// The part of a domain that crossings read.
    #[derive(Debug)]
    pub struct DomainSlot {
        /// Generation while the domain lives, 0 while it is dying or dead.
        pub live: AtomicU64,
    }
}

/// What the sources call `crate::machine`.
pub mod machine {
    /// Access rights of a mapping.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Permission {
        /// Constants.
        Read,
        /// Data.
        ReadWrite,
        /// Code.
        ReadExecute,
        /// Device registers.
        Device,
    }

    /// Why a mapping could not be made.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum MapError {
        /// No memory for the tables.
        NoMemory,
        /// The range is mapped or no range.
        BadRange,
    }
}

/// What the sources call `crate::sync`.
pub mod sync {
    use loom::sync::{Mutex, MutexGuard};

    /// A lock that the model checker knows.
    #[derive(Debug)]
    pub struct SpinLock<T>(Mutex<T>);

    impl<T> SpinLock<T> {
        /// Unlocked.
        pub fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        /// Waits for it.
        ///
        /// # Panics
        /// When a thread has panicked with it, which ends the model anyway.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no thread has panicked")
        }
    }
}

#[path = "../../../kernel/core/src/claim.rs"]
pub mod claim;
#[path = "../../../kernel/core/src/exchange/loans.rs"]
pub mod loans;
#[path = "../../../kernel/core/src/page_table.rs"]
pub mod page_table;
#[path = "../../../kernel/core/src/question.rs"]
pub mod question;
#[path = "../../../kernel/core/src/run_state.rs"]
pub mod run_state;
#[path = "../../../trusted/abi/src/target.rs"]
pub mod target;
