//! Commands under way: who waits for each, which buffer the device has.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use exchange::RRefSlice;
use hardware::{FromDevice, InFlight, Platform, Returned, ToDevice};
use interfaces::block::{BlockError, BlockRequest, BlockStatus};

/// Outcome of a command.
pub type Outcome = Result<(), BlockError>;

/// A buffer the device has.
#[derive(Debug)]
pub enum Buffer {
    /// None.
    None,
    /// It fills this one.
    Filling(InFlight<FromDevice>),
    /// It reads this one.
    Reading(InFlight<ToDevice>),
}

impl Buffer {
    /// Takes the buffer back: the device is done with it.
    #[inline]
    #[must_use]
    pub fn finish(self, platform: &impl Platform) -> Option<RRefSlice<u8>> {
        Some(self.end(platform)?.take(platform))
    }

    /// As [`Self::finish`], and the device may still reach it.
    #[inline]
    fn end(self, platform: &impl Platform) -> Option<Returned> {
        match self {
            Self::None => None,
            Self::Filling(buffer) => Some(buffer.end(platform)),
            Self::Reading(buffer) => Some(buffer.end(platform)),
        }
    }
}

/// Time of a request that nobody has looked for yet.
const UNSEEN: u64 = 0;

/// A command identifier and what it stands for.
#[derive(Debug)]
enum Slot {
    /// Nothing.
    Free,
    /// A command a thread waits for; the thread watches the time.
    Awaited,
    /// Its outcome, not yet seen by the thread.
    Finished(Outcome),
    /// A request of a batch whose buffer is with the device, and when it was
    /// first seen there: [`UNSEEN`] until somebody looks at the clock.
    Batch(BlockRequest, Buffer, u64),
    /// A finished request nobody has polled for yet. Its buffer is taken then: one wait
    /// until the device reaches none is for all that have finished.
    Unclaimed(BlockRequest, Option<Returned>),
}

/// All command identifiers of a queue.
#[derive(Debug)]
pub struct Requests {
    slots: Vec<Slot>,
    free: Vec<u16>,
    unclaimed: VecDeque<u16>,
    /// Commands the device has.
    under_way: usize,
    /// Requests of batches, with the device or unclaimed.
    batched: usize,
}

impl Requests {
    /// Room for `count` commands; nothing is allocated after this.
    #[must_use]
    pub fn new(count: u16) -> Self {
        Self {
            slots: (0..count).map(|_| Slot::Free).collect(),
            free: (0..count).rev().collect(),
            unclaimed: VecDeque::with_capacity(count.into()),
            under_way: 0,
            batched: 0,
        }
    }

    /// Number of free identifiers.
    #[must_use]
    pub fn room(&self) -> usize {
        self.free.len()
    }

    /// Number of commands the device has.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Number of requests of batches, with the device or not yet polled for.
    #[must_use]
    pub const fn batched(&self) -> usize {
        self.batched
    }

    /// The identifier the next command will get.
    #[inline]
    #[must_use]
    pub fn next_free(&self) -> Option<u16> {
        self.free.last().copied()
    }

    #[inline(always)]
    fn take(&mut self, slot: Slot) -> Option<u16> {
        let identifier = self.free.pop()?;
        self.slots[usize::from(identifier)] = slot;
        Some(identifier)
    }

    /// Takes an identifier for a command a thread waits for.
    pub fn begin_awaited(&mut self) -> Option<u16> {
        let identifier = self.take(Slot::Awaited)?;
        self.under_way += 1;
        Some(identifier)
    }

    /// Takes an identifier for a request of a batch.
    ///
    /// The caller has seen that there is room.
    #[inline]
    pub fn begin_batch(&mut self, request: BlockRequest, buffer: Buffer) {
        if self.take(Slot::Batch(request, buffer, UNSEEN)).is_some() {
            self.under_way += 1;
            self.batched += 1;
        }
    }

    /// Keeps a request that never reached the device, with its outcome, for
    /// the next poll. The caller has seen that there is room.
    #[cold]
    #[inline(never)]
    pub fn settle_at_once(&mut self, mut request: BlockRequest, outcome: Outcome) {
        settle(&mut request, outcome);
        if let Some(identifier) = self.take(Slot::Unclaimed(request, None)) {
            self.batched += 1;
            self.unclaimed.push_back(identifier);
        }
    }

    /// Notes the outcome of a command. A request of a batch goes to `claim`
    /// if that takes it. False: no such command is under way.
    #[inline]
    pub fn complete(
        &mut self,
        platform: &impl Platform,
        identifier: u16,
        outcome: Outcome,
        claim: Option<&mut dyn FnMut(BlockRequest)>,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(usize::from(identifier)) else {
            return false;
        };
        match core::mem::replace(slot, Slot::Free) {
            Slot::Awaited => *slot = Slot::Finished(outcome),
            Slot::Batch(mut request, buffer, _) => {
                let buffer = buffer.end(platform);
                settle(&mut request, outcome);
                let is_settled = buffer.as_ref().is_none_or(Returned::is_settled);
                if let Some(claim) = claim.filter(|_| is_settled) {
                    request.buffer = buffer.map(|buffer| buffer.take(platform));
                    claim(request);
                    self.free.push(identifier);
                    self.batched -= 1;
                } else {
                    *slot = Slot::Unclaimed(request, buffer);
                    self.unclaimed.push_back(identifier);
                }
            }
            other => {
                *slot = other;
                return false;
            }
        }
        self.under_way -= 1;
        true
    }

    /// The outcome of an awaited command, once it is there; its identifier is
    /// free again then.
    #[inline]
    pub fn take_outcome(&mut self, identifier: u16) -> Option<Outcome> {
        let slot = &mut self.slots[usize::from(identifier)];
        let Slot::Finished(outcome) = *slot else {
            return None;
        };
        *slot = Slot::Free;
        self.free.push(identifier);
        Some(outcome)
    }

    /// A finished request nobody has polled for.
    #[inline]
    pub fn take_unclaimed(&mut self, platform: &impl Platform) -> Option<BlockRequest> {
        let identifier = self.unclaimed.pop_front()?;
        let slot = &mut self.slots[usize::from(identifier)];
        match core::mem::replace(slot, Slot::Free) {
            Slot::Unclaimed(mut request, returned) => {
                if let Some(returned) = returned {
                    request.buffer = Some(returned.take(platform));
                }
                self.free.push(identifier);
                self.batched -= 1;
                Some(request)
            }
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Whether a thread waits for a command that the device has.
    #[must_use]
    pub fn is_awaited(&self, identifier: u16) -> bool {
        matches!(self.slots[usize::from(identifier)], Slot::Awaited)
    }

    /// Whether a request of a batch is under way that was seen so before
    /// `since_ns`. Those seen for the first time are as old as `now_ns`.
    pub fn has_batch_older_than(&mut self, since_ns: u64, now_ns: u64) -> bool {
        let mut has_older = false;
        for slot in &mut self.slots {
            if let Slot::Batch(_, _, seen_ns) = slot {
                if *seen_ns == UNSEEN {
                    *seen_ns = now_ns;
                }
                has_older |= *seen_ns < since_ns;
            }
        }
        has_older
    }

    /// Ends every command under way with `error`. The device was stopped.
    pub fn fail_all(&mut self, platform: &impl Platform, error: BlockError) {
        for identifier in 0..self.slots.len() {
            // Identifiers count from 0 to at most 1,023.
            self.complete(platform, identifier as u16, Err(error), None);
        }
    }
}

fn settle(request: &mut BlockRequest, outcome: Outcome) {
    match outcome {
        Ok(()) => request.status = BlockStatus::Done,
        Err(error) => {
            request.status = BlockStatus::Failed;
            request.error = error;
        }
    }
}
