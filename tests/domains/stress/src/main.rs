//! Random calls, deaths and starts of domains on every CPU.
//!
//! Threads of this domain call victims, which call one another, and end them
//! in every way meanwhile. Whatever a call that came back says must be right;
//! whatever died must be reclaimed whole. First it is measured how long a
//! domain that loops on every CPU takes to die.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod counting;
mod numbers;
mod siege;
mod stage;
mod worker;

use alloc::sync::Arc;
use alloc::vec::Vec;

use runtime::thread::Priority;
use runtime::time::{Duration, Instant};
use runtime::{BootArchive, DomainControl, Options, StartError, domain, log, thread};

use crate::stage::Stage;

/// How long threads and remains may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// What did not hold.
pub type Failure = &'static str;

/// Runs the test on threads of its own and powers off; status 0: all held.
/// Options: `seconds`, `threads`, `seed`, `siege` (threads that loop at once).
#[domain]
fn stress(
    control: DomainControl,
    archive: BootArchive,
    options: Options,
) -> Result<(), StartError> {
    let stage = Arc::new(Stage::new(control, &archive)?);
    let seconds = options.number("seconds", 3)?;
    let threads = options.number("threads", 8)?;
    let seed = options.number("seed", 1)?;
    let loops = options.number("siege", 4)?;
    thread::spawn("stress", Priority::Normal, move || {
        let outcome = siege::run(&stage, loops)
            .and_then(|()| counting::run(&stage))
            .and_then(|()| run(&stage, seconds, threads, seed));
        if let Err(failure) = outcome {
            log::error!("stress: {failure}");
        }
        stage.control().power_off(i32::from(outcome.is_err()))
    })
    .map_err(|_| StartError::new("no memory for a thread"))?;
    Ok(())
}

fn run(stage: &Arc<Stage>, seconds: u64, threads: u64, seed: u64) -> Result<(), Failure> {
    // Once for what stays: table entries, free lists.
    act(stage, Duration::from_millis(200), threads, seed)?;
    let before = stage.settled()?;
    act(stage, Duration::from_secs(seconds), threads, seed)?;
    let after = stage.settled()?;
    log::info!("stress: {}", stage.tally());
    if before != after {
        log::error!("stress: before {before:?}");
        log::error!("stress: after {after:?}");
        stage.log_domains();
        return Err("something was not reclaimed");
    }
    log::info!("stress: reclaim audit: clean");
    Ok(())
}

/// Lets workers do their worst for a while; on return all victims are gone.
fn act(stage: &Arc<Stage>, length: Duration, threads: u64, seed: u64) -> Result<(), Failure> {
    stage.set_up()?;
    let end = Instant::now() + length;
    let mut started = Vec::new();
    for number in 0..threads {
        let stage = Arc::clone(stage);
        let thread = thread::spawn("worker", Priority::Normal, move || {
            worker::run(&stage, number ^ seed << 8, end);
        });
        started.push(thread.map_err(|_| "no memory for a worker")?);
    }
    stage.wait_for_workers(started.len() as u64, end + PATIENCE)?;
    stage.strike()
}
