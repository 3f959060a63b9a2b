//! How long a domain that loops on every CPU at once takes to die.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use interfaces::stress::{Ending, Victim};
use runtime::thread::Priority;
use runtime::time::{Duration, Instant};
use runtime::{DeathCause, log, thread};

use crate::stage::Stage;
use crate::{Failure, PATIENCE};

/// Sieges; the median counts.
const SIEGES: usize = 15;

/// Long enough for every thread to be in its loop, shorter than the watchdog.
const LOOP: Duration = Duration::from_millis(20);

/// Lets `loops` threads loop in one victim, ends it, and reports how long the
/// last of them took to come back.
pub fn run(stage: &Arc<Stage>, loops: u64) -> Result<(), Failure> {
    let mut times = [0; SIEGES];
    for time in &mut times {
        *time = once(stage, loops)?;
    }
    times.sort_unstable();
    log::info!(
        "stress: {loops} loops in one domain all back {} us after the kill, {} us at most",
        times[SIEGES / 2] / 1000,
        times[SIEGES - 1] / 1000
    );
    Ok(())
}

/// Nanoseconds from the kill to the last thread's return.
fn once(stage: &Arc<Stage>, loops: u64) -> Result<u64, Failure> {
    let victim = stage.start()?;
    let inside = Arc::new(AtomicU64::new(0));
    let back = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    for number in 0..loops {
        let proxy = victim.proxy.try_clone().map_err(|_| "no memory")?;
        let (inside, back) = (Arc::clone(&inside), Arc::clone(&back));
        thread::spawn("siege", Priority::Normal, move || {
            let cpu = (number % u64::from(thread::cpu_count())) as u32;
            let is_bound = thread::bind_to_cpu(cpu).is_ok() && thread::current_cpu() == cpu;
            inside.fetch_add(u64::from(is_bound), Ordering::SeqCst);
            let has_died = proxy.end(Ending::Loop).is_err();
            back.1
                .fetch_max(Instant::now().nanoseconds(), Ordering::SeqCst);
            back.0.fetch_add(u64::from(has_died), Ordering::SeqCst);
        })
        .map_err(|_| "no memory for a thread")?;
    }
    let give_up = Instant::now() + PATIENCE;
    while inside.load(Ordering::SeqCst) < loops {
        thread::yield_now();
        if Instant::now() > give_up {
            return Err("a thread did not get its turn on its CPU");
        }
    }
    thread::sleep(LOOP);
    let start = Instant::now();
    stage.end(victim.id, DeathCause::Killed);
    while back.0.load(Ordering::SeqCst) < loops {
        thread::sleep(Duration::from_micros(100));
        if Instant::now() > give_up {
            return Err("a loop was not ended");
        }
    }
    Ok(back
        .1
        .load(Ordering::SeqCst)
        .saturating_sub(start.nanoseconds()))
}
