//! The kernel's counts before and after a test.

use posix::supervisor::{AuditReport, Supervisor};
use posix::time::{self, Duration};

use crate::failure::{Failure, Outcome};

/// How long the remains of ended processes may take to be gone.
const PATIENCE: u32 = 100;

/// So many equal counts in a row stand still.
const STANDS_STILL: u32 = 4;

/// The counts now; `None` if there is no supervisor to ask.
pub fn take() -> Option<AuditReport> {
    posix::supervisor().ok()?.audit().ok()
}

/// The counts once they stand still: what ended before is gone by then, if it
/// goes at all.
pub fn settled() -> Option<AuditReport> {
    let mut last = take();
    let mut same = 0;
    for _ in 0..PATIENCE {
        time::sleep(Duration::from_millis(5));
        let now = take();
        same = if now == last { same + 1 } else { 0 };
        if same == STANDS_STILL {
            break;
        }
        last = now;
    }
    last
}

/// Compares the counts now with those before. Frames and the kernel's heap are
/// left out: caches of the disk grow with what a test reads and writes.
pub fn compare(before: Option<AuditReport>) -> Outcome {
    let Some(before) = before else { return Ok(()) };
    let mut outcome = Ok(());
    for _ in 0..PATIENCE {
        let Some(after) = take() else { return Ok(()) };
        let rows = [
            (
                "exchange objects",
                before.exchange_objects,
                after.exchange_objects,
            ),
            ("threads", before.threads, after.threads),
            ("interrupts", before.interrupts, after.interrupts),
            ("mappings", before.mappings, after.mappings),
            ("domains", before.domains, after.domains),
            ("exports", before.exports, after.exports),
        ];
        let changed = rows.into_iter().find(|(_, before, after)| before != after);
        outcome = match changed {
            None => return Ok(()),
            Some((name, before, after)) => Err(Failure::Leak(name, before, after)),
        };
        time::sleep(Duration::from_millis(10));
    }
    outcome
}
