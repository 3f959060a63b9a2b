//! One thread of the stress test.

use core::sync::atomic::Ordering;

use exchange::{RRef, RpcResult};
use interfaces::stress::{Ending, STRESS_BATCH, StressBatch, Victim};
use runtime::time::{Duration, Instant};
use runtime::{DeathCause, InjectedFault, thread};

use crate::numbers::Numbers;
use crate::stage::{Living, PLACES, Stage};

/// Calls, ends and starts victims until `end`.
pub fn run(stage: &Stage, seed: u64, end: Instant) {
    let mut numbers = Numbers::new(seed);
    while Instant::now() < end {
        let place = numbers.below(PLACES as u64) as usize;
        let Some(living) = stage.look(place) else {
            thread::yield_now();
            continue;
        };
        let outcome = act(stage, &mut numbers, &living);
        match outcome {
            Ok(true) => drop(stage.counts.calls.fetch_add(1, Ordering::Relaxed)),
            Ok(false) => stage.is_wrong("a call came back with something else"),
            Err(_) => {
                stage.counts.dead.fetch_add(1, Ordering::Relaxed);
                if let Err(failure) = stage.replace(place, living.id) {
                    stage.is_wrong(failure);
                }
            }
        }
    }
    stage.worker_done();
}

/// One call or end; whether what came back is right.
fn act(stage: &Stage, numbers: &mut Numbers, living: &Living) -> RpcResult<bool> {
    let victim = &living.proxy;
    match numbers.below(1000) {
        0..300 => {
            let bytes = [numbers.below(256) as u8; 100];
            Ok(victim.sum(&bytes)? == u64::from(bytes[0]) * 100)
        }
        300..450 => {
            let (mut bytes, value) = ([0; 64], numbers.below(256) as u8);
            victim.fill(&mut bytes, value)?;
            Ok(bytes == [value; 64])
        }
        450..600 => {
            let number = numbers.below(1 << 40);
            let Ok(object) = RRef::try_new(number) else {
                return Ok(true);
            };
            Ok(*victim.count(object)? == number + 1)
        }
        600..700 => batch(numbers, living),
        700..750 => {
            if let Ok(object) = RRef::try_new(7) {
                victim.keep(object)?;
            }
            Ok(true)
        }
        750..900 => relay(stage, numbers, living),
        900..940 => victim.nap(numbers.below(300)).map(|()| true),
        940..980 => {
            end(stage, numbers, living);
            Ok(true)
        }
        _ => {
            let endings = [Ending::Panic, Ending::Recursion, Ending::Exit, Ending::Loop];
            // A loop lasts until the watchdog has seen enough: seldom.
            let kind = match numbers.below(500) {
                0 => 3,
                other => other % 3,
            };
            victim.end(endings[kind as usize]).map(|()| false)
        }
    }
}

fn batch(numbers: &mut Numbers, living: &Living) -> RpcResult<bool> {
    let mut batch = StressBatch::new();
    let first = numbers.below(1 << 40);
    for step in 0..STRESS_BATCH as u64 {
        let Ok(object) = RRef::try_new(first + step) else {
            return Ok(true);
        };
        let _fits = batch.push_back(object);
    }
    let mut counted = living.proxy.count_all(batch)?;
    let mut expected = first;
    while let Some(object) = counted.pop_front() {
        expected += 1;
        if *object != expected {
            return Ok(false);
        }
    }
    Ok(expected == first + STRESS_BATCH as u64)
}

/// Through one victim to another; the second's death is only passed on.
fn relay(stage: &Stage, numbers: &mut Numbers, living: &Living) -> RpcResult<bool> {
    let place = numbers.below(PLACES as u64) as usize;
    let Some(next) = stage.look(place) else {
        return Ok(true);
    };
    let bytes = [numbers.below(256) as u8; 32];
    match living.proxy.relay(next.proxy, &bytes)? {
        Some(sum) => Ok(sum == u64::from(bytes[0]) * 32),
        None => {
            if let Err(failure) = stage.replace(place, next.id) {
                stage.is_wrong(failure);
            }
            Ok(true)
        }
    }
}

/// Ends a victim from outside, in one of the ways there are.
fn end(stage: &Stage, numbers: &mut Numbers, living: &Living) {
    let fault = match numbers.below(8) {
        0 => InjectedFault::Panic,
        1 => InjectedFault::NullDereference,
        2 => InjectedFault::StackOverflow,
        3 => {
            thread::sleep(Duration::from_micros(numbers.below(200)));
            InjectedFault::Kill
        }
        _ => return stage.end(living.id, DeathCause::Killed),
    };
    stage.counts.ends.fetch_add(1, Ordering::Relaxed);
    // If it is dead already, that is as well.
    let _ = stage.control().inject(living.id, fault);
}
