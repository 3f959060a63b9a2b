//! Calls that may not be made twice: how many came to their ends, lane by lane.
//!
//! The threads of a process make such calls at the same time, each on a lane of its
//! own. Of each lane the number of finished calls is kept, what the last one was
//! answered, and how far the next one is; a successor tells the process, which
//! counts, too.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Deref;

use interfaces::process::{LANE_MAX, Lane};

use crate::errno::{Errno, Outcome};
use crate::journal::{Change, Journal};
use crate::process::ProcessState;
use crate::record::{self, LastCall};
use crate::sync::Mutex;

/// The lanes of a process, from 0 up to the highest that was used.
pub struct Lanes(Mutex<Vec<LastCall>>);

impl Lanes {
    /// A predecessor's lanes.
    pub fn revived(lanes: Vec<LastCall>) -> Self {
        Self(Mutex::new(lanes))
    }

    /// The last call of a lane that came to its end.
    pub fn last(&self, lane: Lane) -> LastCall {
        let lanes = self.0.lock();
        let known = lanes.get(lane.0 as usize);
        known.copied().unwrap_or_default()
    }

    /// Writes down all lanes.
    pub fn record(&self, pid: u32, change: &mut Change) {
        for (lane, last) in self.0.lock().iter().enumerate() {
            change.put(record::call_key(pid, lane), &last.encode());
        }
    }

    /// Forgets what is written down.
    pub fn forget(&self, pid: u32, change: &mut Change) {
        for lane in 0..self.0.lock().len() {
            change.forget(record::call_key(pid, lane));
        }
    }

    /// Changes what is known of a lane, and writes it down with what `fill` says.
    /// The lane's changes reach the journal in their order.
    fn update(
        &self,
        (pid, lane): (u32, usize),
        journal: &Journal,
        next: impl FnOnce(&LastCall) -> LastCall,
        fill: impl FnOnce(&mut Change),
    ) {
        let mut lanes = self.0.lock();
        if lanes.len() <= lane {
            add(&mut lanes, (pid, lane), journal);
        }
        let last = next(&lanes[lane]);
        lanes[lane] = last;
        journal.commit(|change| {
            fill(change);
            change.put(record::call_key(pid, lane), &last.encode());
        });
    }
}

/// Adds lanes up to `highest`. A successor wants to see every lane below it.
#[cold]
fn add(lanes: &mut Vec<LastCall>, (pid, highest): (u32, usize), journal: &Journal) {
    let first = LastCall::default();
    journal.commit(|change| {
        for lane in lanes.len()..=highest {
            change.put(record::call_key(pid, lane), &first.encode());
        }
    });
    lanes.resize(highest + 1, first);
}

impl Default for Lanes {
    fn default() -> Self {
        Self::revived(vec![LastCall::default()])
    }
}

/// A system call under way that may not be made twice: as the process, but what it
/// commits is counted.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    process: &'a ProcessState,
    /// None: what is done is not what the call itself does.
    lane: Option<usize>,
}

impl<'a> Call<'a> {
    /// A call of `process`.
    ///
    /// # Errors
    /// `EINVAL` if there is no such lane.
    pub fn new(process: &'a ProcessState, lane: Lane) -> Outcome<Self> {
        let lane = usize::try_from(lane.0).unwrap_or(usize::MAX);
        match lane < LANE_MAX {
            true => Ok(Self {
                process,
                lane: Some(lane),
            }),
            false => Err(Errno::EINVAL),
        }
    }

    /// What is done beside the call, and counts for nothing.
    pub(crate) const fn uncounted(self) -> Self {
        Self { lane: None, ..self }
    }

    /// Its lane, if what it does counts.
    pub(crate) const fn lane(&self) -> Option<usize> {
        self.lane
    }

    /// Notes that the call has come to its end with `value`, and what it changed,
    /// before anybody sees the answer.
    pub(crate) fn commit(&self, value: [u64; 2], fill: impl FnOnce(&mut Change)) {
        let next = |last: &LastCall| last.next(value);
        self.update(next, fill);
    }

    /// Notes how far the call has come, and what it changed so far.
    pub(crate) fn commit_progress(&self, progress: u64, fill: impl FnOnce(&mut Change)) {
        let next = |last: &LastCall| LastCall { progress, ..*last };
        self.update(next, fill);
    }

    /// Notes that the call, which may have made progress, has failed.
    pub(crate) fn forget_progress(&self) {
        let lane = self.lane.and_then(|lane| u32::try_from(lane).ok());
        if lane.is_some_and(|lane| self.process.lanes().last(Lane(lane)).progress != 0) {
            self.commit_progress(0, |_| {});
        }
    }

    fn update(&self, next: impl FnOnce(&LastCall) -> LastCall, fill: impl FnOnce(&mut Change)) {
        let process = self.process;
        let journal: &Arc<Journal> = process.rv6().journal();
        match self.lane {
            Some(lane) => {
                let key = (process.number(), lane);
                process.lanes().update(key, journal, next, fill);
            }
            None => journal.commit(fill),
        }
    }
}

impl Deref for Call<'_> {
    type Target = ProcessState;

    fn deref(&self) -> &ProcessState {
        self.process
    }
}
