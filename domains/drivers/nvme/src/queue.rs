//! A submission queue and its completion queue (NVMe 1.4, section 4.1).

use hardware::{DmaRegion, Platform, Registers};

use crate::command::{COMMAND_WORDS, COMPLETION_WORDS, Command, Completion, PHASE};
use crate::registers::Capabilities;

const PAGE_BYTES: usize = 4096;

/// Completions that [`QueuePair::is_damaged`] looks at.
const LOOK_AHEAD: u16 = 16;

/// A pair of queues. Only the doorbells touch the device.
#[derive(Debug)]
pub struct QueuePair {
    number: u16,
    submission: DmaRegion,
    completion: DmaRegion,
    submission_entries: u16,
    completion_entries: u16,
    tail_doorbell: usize,
    head_doorbell: usize,
    /// Where the next command goes.
    tail: u16,
    /// Tail the device knows.
    rung_tail: u16,
    /// Where the next completion is expected.
    head: u16,
    /// Completions taken that the device does not know of.
    unacknowledged: u16,
    /// Phase tag of completions not seen yet.
    phase: u64,
}

impl QueuePair {
    /// Queues number `number` with room for `entries` commands less one.
    ///
    /// The completion queue is twice as long where the controller allows, so
    /// that taken completions can be acknowledged in large steps. `None`: no
    /// memory.
    pub fn new(
        platform: &impl Platform,
        capabilities: Capabilities,
        number: u16,
        entries: u16,
    ) -> Option<Self> {
        let most = capabilities.max_queue_entries().min(1 << 15);
        let completion_entries = (2 * u32::from(entries)).min(most).max(entries.into()) as u16;
        let pages =
            |entries: u16, words: usize| (usize::from(entries) * words * 8).div_ceil(PAGE_BYTES);
        Some(Self {
            number,
            submission: platform.allocate(pages(entries, COMMAND_WORDS))?,
            completion: platform.allocate_inbound(pages(completion_entries, COMPLETION_WORDS))?,
            submission_entries: entries,
            completion_entries,
            tail_doorbell: capabilities.tail_doorbell(number),
            head_doorbell: capabilities.head_doorbell(number),
            tail: 0,
            rung_tail: 0,
            head: 0,
            unacknowledged: 0,
            phase: PHASE,
        })
    }

    /// Empties the queues, as after a reset of the controller.
    pub fn reset(&mut self) {
        self.completion.clear();
        self.tail = 0;
        self.rung_tail = 0;
        self.head = 0;
        self.unacknowledged = 0;
        self.phase = PHASE;
    }

    /// Number of both queues; 0 is the admin queues'.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Physical addresses of the two queues.
    #[must_use]
    pub const fn addresses(&self) -> (u64, u64) {
        (self.submission.physical(), self.completion.physical())
    }

    /// Entries of the two queues.
    #[must_use]
    pub const fn entries(&self) -> (u16, u16) {
        (self.submission_entries, self.completion_entries)
    }

    /// Appends a command. The device sees it after [`QueuePair::ring`].
    ///
    /// The caller keeps fewer commands under way than there are entries; then
    /// there is always room.
    #[inline]
    pub fn push(&mut self, command: &Command, identifier: u16) {
        let first = usize::from(self.tail) * COMMAND_WORDS;
        self.submission.write_all(first, &command.words(identifier));
        self.tail = next(self.tail, self.submission_entries);
    }

    /// Tells the device of all commands appended, with one register write.
    #[inline]
    pub fn ring(&mut self, registers: &impl Registers) {
        if self.rung_tail != self.tail {
            self.rung_tail = self.tail;
            registers.write32(self.tail_doorbell, self.tail.into());
        }
    }

    /// Takes the next completion, if one has arrived.
    #[inline]
    pub fn pop(&mut self) -> Option<Completion> {
        let first = usize::from(self.head) * COMPLETION_WORDS;
        let second = self.completion.read_acquire(first + 1);
        if second & PHASE != self.phase {
            return None;
        }
        let completion = Completion::from_words(self.completion.read(first), second);
        self.head = next(self.head, self.completion_entries);
        if self.head == 0 {
            self.phase ^= PHASE;
        }
        self.unacknowledged += 1;
        Some(completion)
    }

    /// Whether completions further on look new though the next one does not: a
    /// device fills its queue in order, so what lies there is not its work.
    #[cold]
    #[inline(never)]
    pub fn is_damaged(&self) -> bool {
        let is_new = |head: u16, phase: u64| {
            let first = usize::from(head) * COMPLETION_WORDS;
            self.completion.read_acquire(first + 1) & PHASE == phase
        };
        let (mut head, mut phase) = (self.head, self.phase);
        for _ in 0..LOOK_AHEAD.min(self.completion_entries - 1) {
            head = next(head, self.completion_entries);
            if head == 0 {
                phase ^= PHASE;
            }
            if is_new(head, phase) {
                // It may have posted both since the look at the next one.
                return !is_new(self.head, self.phase);
            }
        }
        false
    }

    /// Tells the device which completions were taken, once enough of them have
    /// piled up that its queue might run full.
    #[inline]
    pub fn acknowledge_if_due(&mut self, registers: &impl Registers) {
        // Fewer than `submission_entries` commands are under way, and each
        // needs a place: this bound leaves them one.
        let spare = self.completion_entries - self.submission_entries;
        if self.unacknowledged > spare / 2 {
            self.acknowledge(registers);
        }
    }

    /// Tells the device which completions were taken.
    pub fn acknowledge(&mut self, registers: &impl Registers) {
        if self.unacknowledged != 0 {
            self.unacknowledged = 0;
            registers.write32(self.head_doorbell, self.head.into());
        }
    }
}

const fn next(index: u16, entries: u16) -> u16 {
    if index + 1 == entries { 0 } else { index + 1 }
}
