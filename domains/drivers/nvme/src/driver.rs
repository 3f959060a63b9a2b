//! The block device: calls that wait, batches that do not, and recovery.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use hardware::{
    DmaRegion, FromDevice, InFlight, InterruptLine, Lent, Platform, Registers, ToDevice,
};
use interfaces::block::{BlockBatch, BlockError, BlockOperation, BlockRequest, Geometry};
use runtime::log;
use runtime::sync::{Mutex, MutexGuard};

use crate::command::{Command, Prps, nvm};
use crate::controller::Controller;
use crate::error::StartFailure;
use crate::prp::{Data, MAX_TRANSFER_BYTES, PAGE_BYTES, PrpError, PrpLists};
use crate::queue::QueuePair;
use crate::requests::{Buffer, Outcome, Requests};
use crate::settings::{Settings, Waiting};

/// Identifiers that batches leave to calls which wait.
const RESERVED: usize = 2;
/// Longest wait for an interrupt before the queue is looked at again: an
/// interrupt can be lost, or come for a completion another thread took.
const INTERRUPT_NS: u64 = 5_000_000;
/// Time between two looks at the queue when there is no interrupt.
const LOOK_NS: u64 = 50_000;
/// Polls without success between two looks at the clock.
const POLLS_PER_LOOK: u32 = 64;
/// Pages of the buffer that misaligned data is copied through.
const BOUNCE_PAGES: usize = 16;
/// Most sectors one command can name (6.9: a 16-bit number, less one).
const MAX_SECTORS: usize = 1 << 16;

/// A controller at work.
#[derive(Debug)]
pub struct Driver<R, P, I> {
    platform: Arc<P>,
    interrupt: Option<I>,
    /// Number of interrupts seen by any thread.
    seen: AtomicU64,
    settings: Settings,
    namespace: u32,
    geometry: Geometry,
    max_bytes: usize,
    has_write_cache: bool,
    state: Mutex<State<R, P>>,
    bounce: Mutex<DmaRegion>,
}

#[derive(Debug)]
struct State<R, P> {
    controller: Controller<R, Arc<P>>,
    queue: QueuePair,
    requests: Requests,
    lists: PrpLists,
    vector: Option<u16>,
    /// The controller could not be started again after a reset.
    has_failed: bool,
    idle_polls: u32,
}

impl<R: Registers, P: Platform, I: InterruptLine> Driver<R, P, I> {
    /// Takes a controller over. With an `interrupt` (and its vector) threads
    /// can wait for it.
    ///
    /// # Errors
    /// [`StartFailure`].
    pub fn start(
        registers: R,
        platform: Arc<P>,
        interrupt: Option<(I, u16)>,
        settings: Settings,
    ) -> Result<Self, StartFailure> {
        let mut controller = Controller::start(registers, Arc::clone(&platform))?;
        let found = controller.explore(settings.namespace)?;
        let most = controller.capabilities.max_queue_entries();
        // One entry of a full queue stays empty (4.1.2).
        let entries = (u32::from(settings.queue_depth) + 1).min(most) as u16;
        let sector_bytes = found.data.sector_bytes as usize;
        let max_bytes = found
            .controller
            .max_transfer_bytes
            .min(MAX_TRANSFER_BYTES)
            .min(MAX_SECTORS * sector_bytes);
        let queue = QueuePair::new(&platform, controller.capabilities, 1, entries);
        let lists = PrpLists::new(&platform, usize::from(entries) - 1, max_bytes);
        let bounce = platform.allocate(BOUNCE_PAGES.min(max_bytes / PAGE_BYTES));
        let (interrupt, vector) = interrupt.unzip();
        let mut state = State {
            controller,
            queue: queue.ok_or(StartFailure::NoMemory)?,
            requests: Requests::new(entries - 1),
            lists: lists.ok_or(StartFailure::NoMemory)?,
            vector,
            has_failed: false,
            idle_polls: 0,
        };
        state.controller.create_queues(&mut state.queue, vector)?;
        Ok(Self {
            platform,
            interrupt,
            seen: AtomicU64::new(0),
            settings,
            namespace: found.namespace,
            geometry: Geometry {
                sector_bytes: found.data.sector_bytes,
                max_sectors: (max_bytes / sector_bytes) as u32,
                sectors: found.data.sectors,
                queue_depth: u32::from(entries) - 1 - RESERVED as u32,
                read_only: found.data.is_read_only.into(),
            },
            max_bytes,
            has_write_cache: found.controller.has_write_cache,
            state: Mutex::new(state),
            bounce: Mutex::new(bounce.ok_or(StartFailure::NoMemory)?),
        })
    }

    /// What the device is.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Reads sectors from `sector` on into the caller's buffer.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn read(&self, sector: u64, into: &mut [u8]) -> Outcome {
        self.check(nvm::READ, sector, into.len())?;
        let lent = Lent::<FromDevice>::to_fill(&*self.platform, into);
        let outcome = self.transfer(nvm::READ, sector, lent.start(), lent.bytes());
        lent.finish(&*self.platform);
        match outcome {
            Err(Refusal::Copy) => self.read_copied(sector, into),
            Err(Refusal::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// Writes the caller's buffer to the sectors from `sector` on.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn write(&self, sector: u64, from: &[u8]) -> Outcome {
        self.check(nvm::WRITE, sector, from.len())?;
        let lent = Lent::<ToDevice>::to_read(&*self.platform, from);
        let outcome = self.transfer(nvm::WRITE, sector, lent.start(), lent.bytes());
        lent.finish(&*self.platform);
        match outcome {
            Err(Refusal::Copy) => self.write_copied(sector, from),
            Err(Refusal::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// Makes every finished write durable.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn flush(&self) -> Outcome {
        if !self.has_write_cache {
            return Ok(());
        }
        match self.execute(|_, _| Ok(Command::flush(self.namespace))) {
            Err(Refusal::Error(error)) => Err(error),
            // A flush has no data that could lie at an odd address.
            Err(Refusal::Copy) | Ok(()) => Ok(()),
        }
    }

    /// Starts requests of the batch while there is room; returns the rest.
    #[must_use]
    pub fn submit(&self, mut batch: BlockBatch) -> BlockBatch {
        let now_ns = self.platform.now_ns();
        let mut state = self.state.lock();
        while state.requests.room() > RESERVED
            && let Some(request) = batch.pop_front()
        {
            self.start_request(&mut state, request, now_ns);
        }
        state.ring();
        batch
    }

    /// Appends finished requests to `room` until it is full.
    #[must_use]
    pub fn poll(&self, mut room: BlockBatch) -> BlockBatch {
        let mut state = self.state.lock();
        let before = room.len();
        while !room.is_full()
            && let Some(request) = state.requests.take_unclaimed()
        {
            // There is room, as just seen.
            let _ = room.push_back(request);
        }
        let state_ref = &mut *state;
        while !room.is_full()
            && let Some(completion) = state_ref.queue.pop()
        {
            let mut claim = |request| drop(room.push_back(request));
            let outcome = completion.status.outcome();
            let requests = &mut state_ref.requests;
            requests.complete(
                &self.platform,
                completion.identifier,
                outcome,
                Some(&mut claim),
            );
        }
        state.acknowledge_if_due();
        if room.len() == before && state.requests.under_way() != 0 {
            self.watch_time(&mut state);
        }
        room
    }

    /// Looks at the clock once in a while; resets the controller if a request
    /// of a batch takes too long.
    fn watch_time(&self, state: &mut MutexGuard<'_, State<R, P>>) {
        state.idle_polls += 1;
        if state.idle_polls < POLLS_PER_LOOK {
            return;
        }
        state.idle_polls = 0;
        let since_ns = self
            .platform
            .now_ns()
            .saturating_sub(self.settings.timeout_ns);
        if state.requests.has_batch_older_than(since_ns) {
            self.recover(state);
        }
    }

    fn start_request(&self, state: &mut State<R, P>, mut request: BlockRequest, now_ns: u64) {
        let refusal = match request.operation {
            _ if state.has_failed => Err(BlockError::Device),
            BlockOperation::Flush if !self.has_write_cache => Ok(()),
            BlockOperation::Flush => {
                let command = Command::flush(self.namespace);
                state.start_batch(&command, request, Buffer::None, now_ns);
                return;
            }
            BlockOperation::Read | BlockOperation::Write => match self.check_request(&request) {
                Ok(()) => return self.start_transfer(state, request, now_ns),
                Err(error) => Err(error),
            },
        };
        request.error = BlockError::Device;
        state.requests.settle_at_once(request, refusal);
    }

    fn check_request(&self, request: &BlockRequest) -> Outcome {
        let bytes = request.buffer.as_ref().map_or(0, |buffer| buffer.len());
        if bytes == 0 || bytes > self.max_bytes {
            return Err(BlockError::BadLength);
        }
        let opcode = match request.operation {
            BlockOperation::Write => nvm::WRITE,
            _ => nvm::READ,
        };
        self.check(opcode, request.sector, bytes)
    }

    /// Gives the buffer of a checked request to the device.
    fn start_transfer(&self, state: &mut State<R, P>, mut request: BlockRequest, now_ns: u64) {
        let (Some(list), Some(buffer)) = (state.requests.next_free(), request.buffer.take()) else {
            return;
        };
        let bytes = buffer.len();
        let platform = &*self.platform;
        let (opcode, start, buffer) = if request.operation == BlockOperation::Write {
            let buffer = InFlight::<ToDevice>::begin(platform, buffer);
            (nvm::WRITE, buffer.start(), Buffer::Reading(buffer))
        } else {
            let buffer = InFlight::<FromDevice>::begin(platform, buffer);
            (nvm::READ, buffer.start(), Buffer::Filling(buffer))
        };
        let data = Data {
            start,
            bytes,
            is_contiguous: true,
        };
        match state.lists.describe(platform, list.into(), data) {
            Ok(prps) => {
                let command = self.transfer_command(opcode, request.sector, bytes, prps);
                state.start_batch(&command, request, buffer, now_ns);
            }
            Err(_) => {
                // Exchange objects are mapped and aligned to cache lines.
                request.buffer = buffer.finish(platform);
                state
                    .requests
                    .settle_at_once(request, Err(BlockError::Device));
            }
        }
    }

    fn transfer_command(&self, opcode: u8, sector: u64, bytes: usize, prps: Prps) -> Command {
        let sectors = bytes as u32 / self.geometry.sector_bytes;
        Command::transfer(opcode, self.namespace, sector, sectors, prps)
    }

    /// Whether a transfer makes sense on this device.
    #[inline]
    fn check(&self, opcode: u8, sector: u64, bytes: usize) -> Outcome {
        let sector_bytes = self.geometry.sector_bytes as usize;
        if !bytes.is_multiple_of(sector_bytes) {
            return Err(BlockError::BadLength);
        }
        let end = sector.checked_add((bytes / sector_bytes) as u64);
        if end.is_none_or(|end| end > self.geometry.sectors) {
            return Err(BlockError::OutOfRange);
        }
        if opcode == nvm::WRITE && self.geometry.read_only != 0 {
            return Err(BlockError::ReadOnly);
        }
        Ok(())
    }

    /// Moves a lent buffer, in pieces the device can take.
    fn transfer(
        &self,
        opcode: u8,
        mut sector: u64,
        mut start: *const u8,
        mut bytes: usize,
    ) -> Result<(), Refusal> {
        while bytes != 0 {
            let piece = bytes.min(self.max_bytes);
            let data = Data {
                start,
                bytes: piece,
                is_contiguous: false,
            };
            self.execute(|state, list| {
                let prps = state.lists.describe(&*self.platform, list.into(), data)?;
                Ok(self.transfer_command(opcode, sector, piece, prps))
            })?;
            sector += (piece / self.geometry.sector_bytes as usize) as u64;
            start = start.wrapping_add(piece);
            bytes -= piece;
        }
        Ok(())
    }

    fn read_copied(&self, mut sector: u64, into: &mut [u8]) -> Outcome {
        let bounce = self.bounce.lock();
        for piece in into.chunks_mut(bounce.bytes()) {
            self.transfer_bounced(nvm::READ, sector, &bounce, piece.len())?;
            bounce.copy_to(0, piece);
            sector += (piece.len() / self.geometry.sector_bytes as usize) as u64;
        }
        Ok(())
    }

    fn write_copied(&self, mut sector: u64, from: &[u8]) -> Outcome {
        let bounce = self.bounce.lock();
        for piece in from.chunks(bounce.bytes()) {
            bounce.copy_from(0, piece);
            self.transfer_bounced(nvm::WRITE, sector, &bounce, piece.len())?;
            sector += (piece.len() / self.geometry.sector_bytes as usize) as u64;
        }
        Ok(())
    }

    fn transfer_bounced(&self, opcode: u8, sector: u64, from: &DmaRegion, bytes: usize) -> Outcome {
        let outcome = self.execute(|state, list| {
            let prps = state
                .lists
                .describe_physical(list.into(), from.physical(), bytes);
            Ok(self.transfer_command(opcode, sector, bytes, prps))
        });
        outcome.map_err(|refusal| match refusal {
            Refusal::Error(error) => error,
            Refusal::Copy => BlockError::Device,
        })
    }

    /// Issues one command, made by `make` with an identifier, and waits for it.
    #[inline]
    fn execute(
        &self,
        make: impl Fn(&State<R, P>, u16) -> Result<Command, PrpError>,
    ) -> Result<(), Refusal> {
        loop {
            let mut state = self.state.lock();
            if state.has_failed {
                return Err(Refusal::Error(BlockError::Device));
            }
            if let Some(identifier) = state.requests.next_free() {
                let command = make(&state, identifier)?;
                state.requests.begin_awaited();
                state.queue.push(&command, identifier);
                state.ring();
                drop(state);
                return self.wait_for(identifier).map_err(Refusal::Error);
            }
            // Other threads have every identifier, and free them themselves.
            drop(state);
            self.platform.sleep_until(self.platform.now_ns() + LOOK_NS);
        }
    }

    /// Waits for the outcome of an awaited command. It does not return before
    /// the device is done with the command's buffer.
    fn wait_for(&self, identifier: u16) -> Outcome {
        let mut looks = 0;
        let mut deadline_ns = None;
        loop {
            let seen = self.seen.load(Ordering::Acquire);
            let mut state = self.state.lock();
            state.reap(&self.platform);
            if let Some(outcome) = state.requests.take_outcome(identifier) {
                return outcome;
            }
            if looks < self.settings.spin {
                drop(state);
                looks += 1;
                // Without a pause, which would be a favour to the other hyperthread:
                // under emulation it is a trip out of the guest, into the way of
                // the thread that works on the request: four times the latency.
                continue;
            }
            let now_ns = self.platform.now_ns();
            let deadline_ns = *deadline_ns.get_or_insert(now_ns + self.settings.timeout_ns);
            if now_ns >= deadline_ns {
                self.recover(&mut state);
                continue;
            }
            self.rest(state, seen, now_ns);
        }
    }

    /// Waits for an interrupt after `seen`, or a moment.
    fn rest(&self, mut state: MutexGuard<'_, State<R, P>>, seen: u64, now_ns: u64) {
        match &self.interrupt {
            Some(interrupt) if self.settings.waiting != Waiting::Polled => {
                // A level-triggered interrupt lasts until this is written.
                state.acknowledge();
                drop(state);
                if let Ok(count) = interrupt.wait(seen, now_ns + INTERRUPT_NS) {
                    self.seen.store(count, Ordering::Release);
                }
            }
            _ => {
                drop(state);
                self.platform.sleep_until(now_ns + LOOK_NS);
            }
        }
    }

    /// Resets a controller that does not answer. Every command under way ends
    /// in `TimedOut`.
    ///
    /// # Panics
    /// When the controller cannot be stopped: it may then still write to
    /// buffers of others, and only the kernel, which turns its bus mastering
    /// off when this domain ends, can keep it from that.
    fn recover(&self, state: &mut State<R, P>) {
        log::warn!("nvme: the controller does not answer; resetting it");
        match state.controller.stop() {
            // A controller that is gone writes nowhere.
            Ok(()) | Err(StartFailure::Gone) => {}
            Err(failure) => panic!("nvme: {failure}; its buffers are in danger"),
        }
        state
            .requests
            .fail_all(&self.platform, BlockError::TimedOut);
        if let Err(failure) = state.restart() {
            log::error!("nvme: {failure}; every request fails from now on");
            state.has_failed = true;
        }
    }
}

impl<R: Registers, P: Platform> State<R, P> {
    #[inline]
    fn ring(&mut self) {
        self.queue.ring(&self.controller.registers);
    }

    #[inline]
    fn acknowledge_if_due(&mut self) {
        self.queue.acknowledge_if_due(&self.controller.registers);
    }

    fn acknowledge(&mut self) {
        self.queue.acknowledge(&self.controller.registers);
    }

    /// Takes every completion that has arrived.
    #[inline]
    fn reap(&mut self, platform: &impl Platform) {
        while let Some(completion) = self.queue.pop() {
            let outcome = completion.status.outcome();
            self.requests
                .complete(platform, completion.identifier, outcome, None);
        }
        self.acknowledge_if_due();
    }

    fn start_batch(
        &mut self,
        command: &Command,
        request: BlockRequest,
        buffer: Buffer,
        now_ns: u64,
    ) {
        if let Some(identifier) = self.requests.next_free() {
            self.queue.push(command, identifier);
            self.requests.begin_batch(request, buffer, now_ns);
        }
    }

    fn restart(&mut self) -> Result<(), StartFailure> {
        self.controller.enable()?;
        self.controller.create_queues(&mut self.queue, self.vector)
    }
}

/// Why a command was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refusal {
    /// Its data must be copied to an aligned place first.
    Copy,
    /// It failed.
    Error(BlockError),
}

impl From<PrpError> for Refusal {
    fn from(error: PrpError) -> Self {
        match error {
            PrpError::Misaligned => Self::Copy,
            PrpError::NotMapped => Self::Error(BlockError::Device),
        }
    }
}
