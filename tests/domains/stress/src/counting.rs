//! Whether every call is counted, once, whichever CPU it was made on.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use interfaces::stress::Victim;
use runtime::thread::Priority;
use runtime::time::{Duration, Instant};
use runtime::{DeathCause, log, thread};

use crate::stage::Stage;
use crate::{Failure, PATIENCE};

/// Threads that share one proxy, and calls that each makes.
const THREADS: u64 = 4;
const CALLS: u64 = 20_000;

/// Calls one victim from several threads through one proxy and compares.
pub fn run(stage: &Arc<Stage>) -> Result<(), Failure> {
    let victim = stage.start()?;
    let id = victim.id;
    let proxy = Arc::new(victim.proxy);
    let done = Arc::new(AtomicU64::new(0));
    for _ in 0..THREADS {
        let (proxy, done) = (Arc::clone(&proxy), Arc::clone(&done));
        thread::spawn("counting", Priority::Normal, move || {
            let back = (0..CALLS).filter(|_| proxy.sum(&[1]) == Ok(1)).count();
            done.fetch_add(back as u64, Ordering::SeqCst);
        })
        .map_err(|_| "no memory for a thread")?;
    }
    let give_up = Instant::now() + PATIENCE;
    while done.load(Ordering::SeqCst) < THREADS * CALLS {
        thread::sleep(Duration::from_millis(1));
        if Instant::now() > give_up {
            return Err("a call did not come back right");
        }
    }
    let counted = calls_to(stage, id)?;
    stage.end(id, DeathCause::Killed);
    log::info!("stress: {counted} calls counted of {}", THREADS * CALLS);
    if counted != THREADS * CALLS {
        return Err("calls were lost or counted twice");
    }
    Ok(())
}

fn calls_to(stage: &Stage, callee: u64) -> Result<u64, Failure> {
    let edges = stage.control().edges().map_err(|_| "no edges")?;
    let edges = edges.iter().filter(|edge| edge.callee == callee);
    Ok(edges.map(|edge| edge.calls).sum())
}
