//! A CPU's way to the device: its own queues, and the commands on them.
//!
//! Threads use the lane of the CPU they run on. So its lock is free and its
//! memory in that CPU's cache, but for a thread that has moved on while a
//! command of its was under way: that one waits on the lane it began on.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hardware::{InterruptLine, Platform, Registers};
use interfaces::block::{BlockBatch, BlockRequest};
use runtime::sync::{Mutex, MutexGuard};

use crate::command::{Command, Completion};
use crate::prp::PrpLists;
use crate::queue::QueuePair;
use crate::registers::Capabilities;
use crate::requests::{Buffer, Requests};

/// Identifiers that batches leave to calls which wait.
pub const RESERVED: usize = 2;
/// Polls between two looks further than the lane's queue.
const POLLS_PER_LOOK: u32 = 64;

/// A lane. Aligned so that no two share a cache line, or a pair of them.
#[derive(Debug)]
#[repr(align(128))]
pub struct Lane<R, I> {
    /// Of its pair of queues.
    pub(crate) number: u16,
    state: Mutex<LaneState<R>>,
    /// Requests of batches on it, for those who poll on other CPUs.
    batched: AtomicUsize,
    interrupt: Option<I>,
    /// Number of interrupts seen by any thread.
    seen: AtomicU64,
}

/// What the lane's lock guards.
#[derive(Debug)]
pub struct LaneState<R> {
    registers: R,
    pub(crate) queue: QueuePair,
    pub(crate) requests: Requests,
    pub(crate) lists: PrpLists,
    /// Interrupt vector of its completion queue.
    pub(crate) vector: Option<u16>,
    /// The controller could not be started again after a reset.
    pub(crate) has_failed: bool,
    polls: u32,
}

impl<R: Registers, I: InterruptLine> Lane<R, I> {
    /// The lane of queue pair `number`, with room for `entries` commands less
    /// one of up to `max_bytes`. `None`: no memory.
    pub fn new(
        platform: &impl Platform,
        registers: R,
        capabilities: Capabilities,
        (number, entries): (u16, u16),
        max_bytes: usize,
    ) -> Option<Self> {
        Some(Self {
            number,
            state: Mutex::new(LaneState {
                registers,
                queue: QueuePair::new(platform, capabilities, number, entries)?,
                requests: Requests::new(entries - 1),
                lists: PrpLists::new(platform, usize::from(entries) - 1, max_bytes)?,
                vector: None,
                has_failed: false,
                polls: 0,
            }),
            batched: AtomicUsize::new(0),
            interrupt: None,
            seen: AtomicU64::new(0),
        })
    }

    /// Lets threads wait for this interrupt, of this vector.
    pub fn set_interrupt(&mut self, (interrupt, vector): (I, u16)) {
        self.interrupt = Some(interrupt);
        self.state.get_mut().vector = Some(vector);
    }

    /// Whether threads can wait for an interrupt.
    pub const fn has_interrupt(&self) -> bool {
        self.interrupt.is_some()
    }

    /// Takes the lane's lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, LaneState<R>> {
        self.state.lock()
    }

    /// Number of interrupts seen; to be read before a look at the queue that
    /// may be followed by [`Lane::wait`].
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }

    /// Waits for an interrupt after `seen`, until `deadline_ns` at most. False:
    /// the lane has none.
    pub fn wait(
        &self,
        mut state: MutexGuard<'_, LaneState<R>>,
        seen: u64,
        deadline_ns: u64,
    ) -> bool {
        let Some(interrupt) = &self.interrupt else {
            return false;
        };
        // A level-triggered interrupt lasts until this is written.
        state.acknowledge();
        drop(state);
        if let Ok(count) = interrupt.wait(seen, deadline_ns) {
            self.seen.store(count, Ordering::Release);
        }
        true
    }

    /// Whether requests of batches are on the lane; a moment later there may be
    /// more or less of them.
    #[inline]
    pub fn has_batched(&self) -> bool {
        self.batched.load(Ordering::Relaxed) != 0
    }

    /// Tells others how many requests of batches are on the lane.
    #[inline]
    pub fn note_batched(&self, state: &LaneState<R>) {
        let count = state.requests.batched();
        self.batched.store(count, Ordering::Relaxed);
    }

    /// Appends finished requests to `room` until it is full. True, when there
    /// are none under way or once in a while: look further, for requests that
    /// take too long, and for those on other lanes, whose owner may have come
    /// here since. Seldom, as that takes those lanes out of their CPUs' caches.
    // A tenth of what a request costs, in registers saved.
    #[inline(always)]
    pub fn poll(&self, platform: &impl Platform, room: &mut BlockBatch) -> bool {
        let mut state = self.lock();
        let looks_further = state.poll(platform, room);
        self.note_batched(&state);
        looks_further
    }
}

impl<R: Registers> LaneState<R> {
    /// Tells the device of what was pushed.
    #[inline]
    pub fn ring(&mut self) {
        self.queue.ring(&self.registers);
    }

    fn acknowledge(&mut self) {
        self.queue.acknowledge(&self.registers);
    }

    /// Takes every completion that has arrived.
    #[inline]
    pub fn reap(&mut self, platform: &impl Platform) {
        while let Some(completion) = self.queue.pop() {
            self.settle(platform, completion, None);
        }
        self.queue.acknowledge_if_due(&self.registers);
    }

    /// Looks, when a completion is late, whether it can come at all.
    ///
    /// # Panics
    /// When the completion queue holds what the device cannot have put there.
    pub fn look_for_damage(&self) {
        assert!(
            !self.queue.is_damaged(),
            "the completion queue holds what the device cannot have put there"
        );
    }

    /// Ends the command that a completion is for.
    ///
    /// # Panics
    /// When there is none: a device that completes what it was never given may
    /// have written anywhere it could, so it is started anew with its driver.
    #[inline(always)]
    fn settle(
        &mut self,
        platform: &impl Platform,
        completion: Completion,
        claim: Option<&mut dyn FnMut(BlockRequest)>,
    ) {
        let outcome = completion.status.outcome();
        let is_ours = completion.queue == self.queue.number()
            && self
                .requests
                .complete(platform, completion.identifier, outcome, claim);
        if !is_ours {
            distrust(completion);
        }
    }

    /// Starts a request of a batch. The caller has seen that there is room.
    #[inline(always)]
    pub fn start_batch(&mut self, command: &Command, request: BlockRequest, buffer: Buffer) {
        if let Some(identifier) = self.requests.next_free() {
            self.queue.push(command, identifier);
            self.requests.begin_batch(request, buffer);
        }
    }

    /// Appends finished requests that nobody has polled for to `room`.
    #[inline(always)]
    fn hand_out(&mut self, platform: &impl Platform, room: &mut BlockBatch) {
        while !room.is_full()
            && let Some(request) = self.requests.take_unclaimed(platform)
        {
            // There is room, as just seen.
            let _ = room.push_back(request);
        }
    }

    #[inline(always)]
    fn poll(&mut self, platform: &impl Platform, room: &mut BlockBatch) -> bool {
        let before = room.len();
        self.hand_out(platform, room);
        while !room.is_full()
            && let Some(completion) = self.queue.pop()
        {
            let mut claim = |request| drop(room.push_back(request));
            self.settle(platform, completion, Some(&mut claim));
        }
        // Those whose buffers the device is first to forget.
        self.hand_out(platform, room);
        self.queue.acknowledge_if_due(&self.registers);
        let is_idle = room.len() == before;
        self.polls = (self.polls + 1) % POLLS_PER_LOOK;
        self.polls == 0 || (is_idle && self.requests.batched() == 0)
    }
}

/// See [`LaneState::settle`].
#[cold]
#[inline(never)]
fn distrust(completion: Completion) -> ! {
    panic!(
        "the device completed command {} of queue {}, which it was never given",
        completion.identifier, completion.queue
    )
}
