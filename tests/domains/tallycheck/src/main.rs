//! Upgrades a domain with state under calls, and checks what is kept.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use exchange::{Proxy, RpcError};
use interfaces::bench::Echo;
use interfaces::supervisor::{Supervisor, SupervisorError};
use runtime::thread::{Priority, sleep, spawn};
use runtime::time::Duration;
use runtime::{StartError, domain, log};

/// What went wrong.
enum Failure {
    /// A call met a death.
    Rpc(RpcError),
    /// The supervisor refused.
    Supervisor(SupervisorError),
    /// A call had another number than the one after its predecessor's.
    Number { expected: u64, found: u64 },
    /// The new or the old image runs, and the other should.
    WrongImage,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc(error) => error.fmt(f),
            Self::Supervisor(error) => write!(f, "the supervisor refuses: {error:?}"),
            Self::Number { expected, found } => write!(f, "call {expected} is counted as {found}"),
            Self::WrongImage => f.write_str("the wrong one of two images runs"),
        }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

/// Powers off with 0 if every call was counted once.
#[domain]
fn tallycheck(tally: Proxy<dyn Echo>, supervisor: Proxy<dyn Supervisor>) -> Result<(), StartError> {
    spawn("tallycheck", Priority::Normal, move || {
        let outcome = check(&tally, &supervisor);
        match &outcome {
            Ok(calls) => log::info!("every one of {calls} calls was counted"),
            Err(failure) => log::error!("{failure}"),
        }
        // The system ends now; there is nobody to tell if it does not.
        let _ = supervisor.power_off(u32::from(outcome.is_err()));
    })
    .map_err(|_| StartError::new("no memory for a thread"))?;
    Ok(())
}

fn check(tally: &Proxy<dyn Echo>, supervisor: &Proxy<dyn Supervisor>) -> Result<u64, Failure> {
    let caller = Caller::start(tally);
    for image in ["tally", "tally-stranger", "tally"] {
        sleep(Duration::from_millis(20));
        let report = supervisor
            .upgrade_from_archive("tally", image)?
            .map_err(Failure::Supervisor)?;
        if (report.is_rolled_back != 0) != (image == "tally-stranger") {
            return Err(Failure::WrongImage);
        }
    }
    let calls = caller.finish();
    let found = tally.slice(&[])?;
    if found == calls + 1 {
        Ok(found)
    } else {
        let expected = calls + 1;
        Err(Failure::Number { expected, found })
    }
}

/// Calls all the time; stops at the first call that fails.
#[derive(Default)]
struct Caller {
    calls: AtomicU64,
    is_over: AtomicBool,
    has_ended: AtomicBool,
}

impl Caller {
    fn start(tally: &Proxy<dyn Echo>) -> Arc<Self> {
        let caller = Arc::new(Self::default());
        let (Ok(tally), shared) = (tally.try_clone(), Arc::clone(&caller)) else {
            return caller;
        };
        let run = move || {
            while !shared.is_over.load(Ordering::SeqCst) && tally.slice(&[1]).is_ok() {
                shared.calls.fetch_add(1, Ordering::SeqCst);
                runtime::thread::yield_now();
            }
            shared.has_ended.store(true, Ordering::SeqCst);
        };
        if spawn("caller", Priority::Normal, run).is_err() {
            caller.has_ended.store(true, Ordering::SeqCst);
        }
        caller
    }

    /// Calls that were answered.
    fn finish(&self) -> u64 {
        self.is_over.store(true, Ordering::SeqCst);
        while !self.has_ended.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(1));
        }
        self.calls.load(Ordering::SeqCst)
    }
}
