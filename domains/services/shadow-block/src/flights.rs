//! Requests of batches that are not finished, and what became of them.
//!
//! The driver gets each request under a number of ours and its buffer on loan.
//! Numbers grow, so their order is that of submission. When the driver dies its
//! buffers come back, and everything unfinished waits to be handed over again.
//!
//! What is below may be a shadow, too, which may die while the driver lives. Then
//! buffers are with that driver still; they are *strays*, and nothing is handed over
//! before they are home, lest a later request overtakes them. The shadow's successor
//! drops what it did not order, and so they come home.
//!
//! What is lent already is not lent again: if the driver dies it goes back to who
//! lent it, so who submitted it has to submit it again, with all that came with it.
//!
//! **Invariant:** a request is finished once for its submitter, when its
//! completion has reached this domain; one whose completion died with the
//! driver is carried out again.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use exchange::{Incarnation, Loan, Proxy, RRefSlice, RpcResult};
use interfaces::block::{
    BlockBatch, BlockDevice, BlockError, BlockOperation, BlockRequest, BlockStatus,
};

/// Where a request's buffer is.
#[derive(Debug)]
enum Buffer {
    /// It has none, or it is on loan from the submitter.
    None,
    /// Here.
    Here(RRefSlice<u8>),
    /// With the driver.
    Lent(Loan<RRefSlice<u8>>),
}

/// A request that is not finished.
#[derive(Debug)]
struct Flight {
    /// The submitter's tag.
    tag: u64,
    sector: u64,
    operation: BlockOperation,
    buffer: Buffer,
    /// The submitter can submit it again.
    is_lent: bool,
    /// Times it was not answered in time.
    timeouts: u32,
}

/// All requests that are not finished.
#[derive(Debug)]
pub struct Flights {
    /// The driver that has them.
    incarnation: Incarnation,
    unfinished: BTreeMap<u64, Flight>,
    /// Numbers of those the driver does not have, in order.
    waiting: VecDeque<u64>,
    /// Numbers of those whose buffers were not back when their driver had died.
    strays: BTreeSet<u64>,
    /// Finished ones nobody has polled for.
    finished: VecDeque<BlockRequest>,
    next: u64,
    /// An empty batch for the next poll.
    spare: Option<BlockBatch>,
}

impl Flights {
    /// None yet. The first will have number `first`, which is beyond all that a
    /// predecessor of this shadow gave: the driver may still have some of those.
    pub const fn new(incarnation: Incarnation, first: u64) -> Self {
        Self {
            incarnation,
            unfinished: BTreeMap::new(),
            waiting: VecDeque::new(),
            strays: BTreeSet::new(),
            finished: VecDeque::new(),
            next: first,
            spare: None,
        }
    }

    /// The driver that was called last.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Whether a poll has to ask the driver. It may have something if nothing is
    /// under way: of a predecessor of this shadow, whose submitter waits for it.
    pub fn is_poll_needed(&self) -> bool {
        self.finished.is_empty()
    }

    /// Goes over to the driver that is called now. If it is another one, what
    /// came back from its predecessor waits to be handed over.
    ///
    /// A buffer that has not come back is with a living driver: with one further
    /// down, or with this one, which took over between this domain's look at the
    /// proxy and its call.
    pub fn follow(&mut self, incarnation: Incarnation) {
        if incarnation == self.incarnation {
            return;
        }
        self.incarnation = incarnation;
        self.waiting.clear();
        self.strays.clear();
        for (number, mut flight) in core::mem::take(&mut self.unfinished) {
            if flight.is_lent {
                self.finished.push_back(flight.again());
                continue;
            }
            match flight.take_back() {
                true => self.waiting.push_back(number),
                false => drop(self.strays.insert(number)),
            }
            self.unfinished.insert(number, flight);
        }
    }

    /// Whether requests that came back have to be submitted again before this batch,
    /// which is of the same submitter and must not overtake them.
    pub fn must_wait(&self, batch: &BlockBatch) -> bool {
        let mut finished = self.finished.iter();
        batch.iter().any(|request| request.is_lent != 0)
            && finished.any(|request| request.status == BlockStatus::Pending)
    }

    /// Looks which strays are home.
    fn recall(&mut self) {
        for number in core::mem::take(&mut self.strays) {
            // One that is gone has been finished.
            let Some(flight) = self.unfinished.get_mut(&number) else {
                continue;
            };
            match flight.take_back() {
                true => self.wait(number),
                false => drop(self.strays.insert(number)),
            }
        }
    }

    /// Lets a request wait to be handed over, in its place.
    fn wait(&mut self, number: u64) {
        let place = self.waiting.partition_point(|other| *other < number);
        self.waiting.insert(place, number);
    }

    /// Notes the requests of a batch; the number of the first.
    pub fn enlist(&mut self, mut batch: BlockBatch) -> u64 {
        let first = self.next;
        while let Some(request) = batch.pop_front() {
            let flight = Flight {
                tag: request.tag,
                sector: request.sector,
                operation: request.operation,
                buffer: request.buffer.map_or(Buffer::None, Buffer::Here),
                is_lent: request.is_lent != 0,
                timeouts: 0,
            };
            self.unfinished.insert(self.next, flight);
            self.waiting.push_back(self.next);
            self.next += 1;
        }
        self.spare.get_or_insert(batch);
        first
    }

    /// Gives requests from number `first` on that the driver has no room for
    /// back to their submitter.
    pub fn dismiss(&mut self, first: u64) -> BlockBatch {
        let mut rest = self.empty_batch().unwrap_or_default();
        let from = self.waiting.partition_point(|number| *number < first);
        for number in self.waiting.drain(from..) {
            if let Some(flight) = self.unfinished.remove(&number) {
                // As many as came in one batch.
                let _ = rest.push_back(flight.request(BlockStatus::Pending, BlockError::Device));
            }
        }
        rest
    }

    /// Hands waiting requests to the driver until it takes no more, if no stray is
    /// out.
    ///
    /// # Errors
    /// `DomainDead`; then [`Flights::follow`] its successor.
    pub fn hand_over(&mut self, device: &Proxy<dyn BlockDevice>) -> RpcResult<()> {
        self.recall();
        if !self.strays.is_empty() {
            return Ok(());
        }
        while !self.waiting.is_empty() {
            let Some(mut batch) = self.empty_batch() else {
                return Ok(());
            };
            let unfinished = &mut self.unfinished;
            while !batch.is_full()
                && let Some(number) = self.waiting.pop_front()
            {
                if let Some(flight) = unfinished.get_mut(&number) {
                    // There is room, as just seen.
                    let _ = batch.push_back(flight.lend(number));
                }
            }
            let mut rest = device.submit(batch)?;
            let is_full = !rest.is_empty();
            let mut refused = VecDeque::new();
            while let Some(request) = rest.pop_front() {
                if let Some(flight) = self.unfinished.get_mut(&request.tag) {
                    flight.settle(request.buffer);
                    refused.push_back(request.tag);
                }
            }
            self.spare.get_or_insert(rest);
            while let Some(number) = refused.pop_back() {
                self.waiting.push_front(number);
            }
            if is_full {
                break;
            }
        }
        Ok(())
    }

    /// Collects what the driver has finished.
    ///
    /// # Errors
    /// `DomainDead`; what it had finished counts as unfinished.
    pub fn collect(&mut self, device: &Proxy<dyn BlockDevice>) -> RpcResult<()> {
        let Some(room) = self.empty_batch() else {
            return Ok(());
        };
        let mut done = device.poll(room)?;
        while let Some(request) = done.pop_front() {
            self.complete(request);
        }
        self.spare = Some(done);
        Ok(())
    }

    fn complete(&mut self, request: BlockRequest) {
        let (number, status, error) = (request.tag, request.status, request.error);
        let Some(mut flight) = self.unfinished.remove(&number) else {
            // Carried out twice, or not ours: its loan, if any, is over, and it goes
            // back to who lent it.
            return;
        };
        flight.settle(request.buffer);
        if status == BlockStatus::Pending {
            // The driver of a shadow below has died.
            match flight.take_back() {
                true => self.wait(number),
                false => drop(self.strays.insert(number)),
            }
            self.unfinished.insert(number, flight);
            return;
        }
        if status != BlockStatus::Done && !self.incarnation.is_alive() {
            // It may have seen its device being taken away.
            self.unfinished.insert(number, flight);
            return;
        }
        if status != BlockStatus::Done
            && error == BlockError::TimedOut
            && flight.timeouts < crate::REPETITIONS
        {
            flight.timeouts += 1;
            self.unfinished.insert(number, flight);
            self.wait(number);
            return;
        }
        self.finished.push_back(flight.request(status, error));
    }

    /// The driver is lost: so is everything under way.
    pub fn give_up(&mut self) {
        self.waiting.clear();
        self.strays.clear();
        while let Some((_, mut flight)) = self.unfinished.pop_first() {
            flight.take_back();
            let failed = flight.request(BlockStatus::Failed, BlockError::DriverLost);
            self.finished.push_back(failed);
        }
    }

    /// Appends finished requests to `room` until it is full.
    pub fn finish(&mut self, room: &mut BlockBatch) {
        while !room.is_full()
            && let Some(request) = self.finished.pop_front()
        {
            // There is room, as just seen.
            let _ = room.push_back(request);
        }
    }

    /// An empty batch; `None`: no memory.
    fn empty_batch(&mut self) -> Option<BlockBatch> {
        self.spare.take().or_else(|| BlockBatch::try_new().ok())
    }
}

impl Flight {
    /// The request for the driver, with the buffer on loan. A buffer that is on
    /// loan already cannot be lent again: it goes back to there if the driver dies.
    fn lend(&mut self, number: u64) -> BlockRequest {
        let buffer = match core::mem::replace(&mut self.buffer, Buffer::None) {
            Buffer::Here(buffer) => match Loan::new(buffer) {
                Ok((buffer, loan)) => {
                    self.buffer = Buffer::Lent(loan);
                    Some(buffer)
                }
                Err(buffer) => Some(buffer),
            },
            other => {
                self.buffer = other;
                None
            }
        };
        BlockRequest {
            tag: number,
            sector: self.sector,
            operation: self.operation,
            status: BlockStatus::Pending,
            error: BlockError::Device,
            is_lent: 1,
            buffer,
        }
    }

    /// Takes the buffer that the driver handed back. Should it be another one,
    /// that one is dropped, and ours comes back with the driver's death.
    fn settle(&mut self, buffer: Option<RRefSlice<u8>>) {
        let loan = core::mem::replace(&mut self.buffer, Buffer::None);
        self.buffer = match (loan, buffer) {
            (Buffer::Lent(loan), Some(buffer)) => match loan.settle(buffer) {
                Ok(buffer) => Buffer::Here(buffer),
                Err((loan, _other)) => Buffer::Lent(loan),
            },
            (Buffer::None, Some(buffer)) => Buffer::Here(buffer),
            (ours, _) => ours,
        };
    }

    /// Takes the buffer back from a dead driver; false: it is with a living one.
    fn take_back(&mut self) -> bool {
        let buffer = core::mem::replace(&mut self.buffer, Buffer::None);
        let (buffer, is_here) = match buffer {
            Buffer::Lent(loan) => match loan.take_back() {
                Ok(buffer) => (Buffer::Here(buffer), true),
                Err(loan) => (Buffer::Lent(loan), false),
            },
            other => (other, true),
        };
        self.buffer = buffer;
        is_here
    }

    /// The request for its submitter, who is to submit it again.
    fn again(self) -> BlockRequest {
        self.request(BlockStatus::Pending, BlockError::Device)
    }

    /// The request for its submitter.
    fn request(mut self, status: BlockStatus, error: BlockError) -> BlockRequest {
        self.take_back();
        BlockRequest {
            tag: self.tag,
            sector: self.sector,
            operation: self.operation,
            status,
            error,
            is_lent: self.is_lent.into(),
            buffer: match self.buffer {
                Buffer::Here(buffer) => Some(buffer),
                Buffer::None | Buffer::Lent(_) => None,
            },
        }
    }
}
