//! The kernel's lock-free protocols, for a model checker.
//!
//! The modules below [`sync`] are the kernel's own source files. They take their
//! atomics and locks by the names of modules, which are the model checker's here;
//! tests/ runs them in every interleaving. What `unsafe` there is lies in those
//! files, each excused by name below.
#![deny(unsafe_code)]
#![expect(
    clippy::new_without_default,
    reason = "only here are the kernel's own types public"
)]

extern crate alloc;

pub mod assembly;

pub use abi;

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

    pub use loom::cell::UnsafeCell;

    /// Leaves the function as it is.
    macro_rules! const_fn {
        ($($function:tt)*) => {
            $($function)*
        };
    }
    pub(crate) use const_fn;
}

/// What the sources call `crate::exchange`.
pub mod exchange {
    pub use abi::exchange::HELD;
}

/// What the sources call `crate::thread`.
pub mod thread {
    use crate::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
    use crate::claim::Claim;

    /// Scheduling priorities.
    pub const PRIORITIES: usize = 5;

    /// The highest of them.
    pub const PRIORITY_KERNEL: u32 = 4;

    /// The part of a thread that run queues look at.
    pub struct Thread {
        /// Somebody has its stack.
        pub on_cpu: Claim,
        /// CPU it ran on last.
        pub cpu: AtomicUsize,
        /// CPUs it may run on, a bit each.
        pub allowed: AtomicU64,
        /// Next in its queue.
        pub next: AtomicPtr<Thread>,
        /// Below [`PRIORITIES`].
        pub priority: u32,
    }

    impl Thread {
        /// Takes its stack, unless somebody has it.
        pub fn try_claim(&self) -> bool {
            self.on_cpu.try_take()
        }

        /// How urgent it is.
        pub fn urgency(&self) -> u32 {
            self.priority
        }

        /// Whether it may run on a CPU.
        pub fn may_run_on(&self, cpu: usize) -> bool {
            self.allowed.load(Ordering::Relaxed) & 1 << cpu != 0
        }
    }

    pub use abi::thread::CrossTable;

    /// The part of a domain that crossings read.
    #[derive(Debug)]
    pub struct DomainSlot {
        /// Generation while the domain lives, 0 while it is dying or dead.
        pub live: AtomicU64,
        /// Owner id.
        pub id: AtomicU64,
        /// Index in the table.
        pub index: u32,
        /// What its code may reach.
        pub rights: u32,
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
        /// Data with a protection key.
        Keyed(u8),
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
    pub use crate::spin_lock::{SpinGuard, SpinLock};

    /// Nothing: the model's CPUs are not interrupted by their own.
    #[derive(Debug)]
    pub struct PreemptOff(());

    impl PreemptOff {
        /// Nothing to turn off.
        #[must_use]
        pub fn new() -> Self {
            Self(())
        }
    }

    /// Looks in vain after which the others are let on: who waits longer does no
    /// more than who came later, and two who wait would show each other for ever.
    const LOOKS: usize = 2;

    /// Lets the others run until `is_done`.
    pub fn spin_until(is_done: impl Fn() -> bool) {
        let mut looks = 0;
        while !is_done() {
            looks += 1;
            if looks > LOOKS {
                loom::skip_branch();
            }
            loom::hint::spin_loop();
        }
    }
}

#[path = "../../../kernel/core/src/claim.rs"]
pub mod claim;
#[path = "../../../kernel/core/src/life.rs"]
pub mod life;
#[path = "../../../kernel/core/src/exchange/loans.rs"]
pub mod loans;
#[path = "../../../kernel/core/src/offer.rs"]
pub mod offer;
#[path = "../../../kernel/core/src/page_table.rs"]
pub mod page_table;
#[path = "../../../kernel/core/src/question.rs"]
pub mod question;
#[path = "../../../kernel/core/src/ready.rs"]
pub mod ready;
#[path = "../../../kernel/core/src/export/references.rs"]
pub mod references;
#[expect(unsafe_code, reason = "the kernel's, with its reasons there")]
#[path = "../../../kernel/core/src/run_queue.rs"]
pub mod run_queue;
#[path = "../../../kernel/core/src/run_state.rs"]
pub mod run_state;
#[expect(unsafe_code, reason = "the kernel's, with its reasons there")]
#[path = "../../../kernel/core/src/spin_lock.rs"]
pub mod spin_lock;
#[path = "../../../kernel/core/src/tally.rs"]
pub mod tally;
#[path = "../../../trusted/abi/src/target.rs"]
pub mod target;
