//! The block device: calls that wait, batches that do not, and recovery.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hardware::{
    FromDevice, InFlight, InterruptLine, Lent, NoBounce, Platform, Registers, ToDevice, Towards,
};
use interfaces::block::{BlockBatch, BlockError, BlockOperation, BlockRequest, Geometry};
use runtime::log;
use runtime::sync::{Mutex, MutexGuard};

use crate::command::{Command, Prps, nvm};
use crate::controller::Controller;
use crate::error::StartFailure;
use crate::lane::{Lane, LaneState, RESERVED};
use crate::prp::{ALIGN, MAX_TRANSFER_BYTES};
use crate::requests::{Buffer, Outcome};
use crate::settings::{Settings, Waiting};

/// Longest wait for an interrupt before the queue is looked at again: an
/// interrupt can be lost, or come for a completion another thread took.
const INTERRUPT_NS: u64 = 5_000_000;
/// Time between two looks at the queue when there is no interrupt.
const LOOK_NS: u64 = 50_000;
/// Most sectors one command can name (6.9: a 16-bit number, less one).
const MAX_SECTORS: usize = 1 << 16;

/// A controller at work.
///
/// Locks are taken in this order: the controller's, then those of the lanes, one
/// after the other. Whoever does not have the controller has one lane at most.
#[derive(Debug)]
pub struct Driver<R, P, I> {
    platform: Arc<P>,
    settings: Settings,
    namespace: u32,
    geometry: Geometry,
    max_bytes: usize,
    has_write_cache: bool,
    /// One for each CPU, or as many as the controller has queues.
    lanes: Vec<Lane<Arc<R>, I>>,
    controller: Mutex<Controller<Arc<R>, Arc<P>>>,
}

impl<R: Registers, P: Platform, I: InterruptLine> Driver<R, P, I> {
    /// Takes a controller over. `bind` binds an interrupt for a lane, by its
    /// index, and says which vector it is; without one its threads poll.
    ///
    /// # Errors
    /// [`StartFailure`].
    pub fn start(
        registers: R,
        platform: Arc<P>,
        mut bind: impl FnMut(usize) -> Option<(I, u16)>,
        settings: Settings,
    ) -> Result<Self, StartFailure> {
        let registers = Arc::new(registers);
        let mut controller = Controller::start(Arc::clone(&registers), Arc::clone(&platform))?;
        let found = controller.explore(settings.namespace)?;
        let capabilities = controller.capabilities;
        let most = capabilities.max_queue_entries();
        // One entry of a full queue stays empty (4.1.2).
        let entries = (u32::from(settings.queue_depth) + 1).min(most) as u16;
        let sector_bytes = found.data.sector_bytes as usize;
        let max_bytes = found
            .controller
            .max_transfer_bytes
            .min(MAX_TRANSFER_BYTES)
            .min(MAX_SECTORS * sector_bytes);
        let most = settings.queues.min(controller.most_queues());
        let wanted = platform.cpu_count().clamp(1, most.into()) as u16;
        let mut lanes = Vec::new();
        for number in 1..=controller.request_queues(wanted)?.min(wanted) {
            let registers = Arc::clone(&registers);
            let queue = (number, entries);
            let mut lane = Lane::new(&platform, registers, capabilities, queue, max_bytes)
                .ok_or(StartFailure::NoMemory)?;
            if let Some(interrupt) = bind(lanes.len()) {
                lane.set_interrupt(interrupt);
            }
            create_queue(&mut controller, &mut lane.lock())?;
            lanes.push(lane);
        }
        Ok(Self {
            platform,
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
            lanes,
            controller: Mutex::new(controller),
        })
    }

    /// Pairs of queues in use.
    #[must_use]
    pub const fn queues(&self) -> usize {
        self.lanes.len()
    }

    /// How many of them have an interrupt.
    #[must_use]
    pub fn interrupts(&self) -> usize {
        self.lanes
            .iter()
            .filter(|lane| lane.has_interrupt())
            .count()
    }

    /// The lane of the CPU this runs on.
    #[inline]
    fn lane(&self) -> &Lane<Arc<R>, I> {
        if let [only] = self.lanes.as_slice() {
            return only;
        }
        let cpu = self.platform.current_cpu();
        let shared = || &self.lanes[cpu % self.lanes.len()];
        self.lanes.get(cpu).unwrap_or_else(shared)
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
    pub fn read(&self, mut sector: u64, into: &mut [u8]) -> Outcome {
        self.check(nvm::READ, sector, into.len())?;
        for piece in into.chunks_mut(self.max_bytes) {
            let sectors = self.sectors_in(piece.len());
            let lent = Lent::<FromDevice>::to_fill(&*self.platform, piece, ALIGN);
            self.transfer(nvm::READ, sector, lent)?;
            sector += u64::from(sectors);
        }
        Ok(())
    }

    /// Writes the caller's buffer to the sectors from `sector` on.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn write(&self, mut sector: u64, from: &[u8]) -> Outcome {
        self.check(nvm::WRITE, sector, from.len())?;
        for piece in from.chunks(self.max_bytes) {
            let lent = Lent::<ToDevice>::to_read(&*self.platform, piece, ALIGN);
            self.transfer(nvm::WRITE, sector, lent)?;
            sector += u64::from(self.sectors_in(piece.len()));
        }
        Ok(())
    }

    /// Makes every finished write durable.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn flush(&self) -> Outcome {
        if !self.has_write_cache {
            return Ok(());
        }
        self.execute(|_, _| Some(Command::flush(self.namespace)))
    }

    /// Starts requests of the batch while there is room; returns the rest.
    #[must_use]
    pub fn submit(&self, mut batch: BlockBatch) -> BlockBatch {
        let lane = self.lane();
        let mut state = lane.lock();
        while state.requests.room() > RESERVED
            && let Some(request) = batch.pop_front()
        {
            self.start_request(&mut state, request);
        }
        state.ring();
        lane.note_batched(&state);
        batch
    }

    /// Appends finished requests to `room` until it is full: first of those that
    /// were submitted on this CPU.
    #[must_use]
    pub fn poll(&self, mut room: BlockBatch) -> BlockBatch {
        let own = self.lane();
        let before = room.len();
        if own.poll(&*self.platform, &mut room) {
            if room.len() == before {
                self.look_at_clock(own);
            }
            self.look_around(own, &mut room);
        }
        room
    }

    /// Polls the lanes of other CPUs.
    #[cold]
    #[inline(never)]
    fn look_around(&self, own: &Lane<Arc<R>, I>, room: &mut BlockBatch) {
        for other in &self.lanes {
            if other.has_batched() && other.number != own.number {
                let before = room.len();
                let looks_further = other.poll(&*self.platform, room);
                if looks_further && room.len() == before {
                    self.look_at_clock(other);
                }
            }
        }
    }

    /// Resets the controller if a request of a batch takes too long.
    #[cold]
    #[inline(never)]
    fn look_at_clock(&self, lane: &Lane<Arc<R>, I>) {
        let now_ns = self.platform.now_ns();
        let since_ns = now_ns.saturating_sub(self.settings.timeout_ns);
        let is_late = |state: &mut LaneState<Arc<R>>| {
            state.look_for_damage();
            let requests = &mut state.requests;
            requests.has_batch_older_than(since_ns, now_ns)
        };
        let is_due = is_late(&mut lane.lock());
        if is_due {
            self.recover(lane, &is_late);
        }
    }

    fn start_request(&self, state: &mut LaneState<Arc<R>>, mut request: BlockRequest) {
        let refusal = match request.operation {
            _ if state.has_failed => Err(BlockError::Device),
            BlockOperation::Flush if !self.has_write_cache => Ok(()),
            BlockOperation::Flush => {
                let command = Command::flush(self.namespace);
                state.start_batch(&command, request, Buffer::None);
                return;
            }
            BlockOperation::Read | BlockOperation::Write => match self.check_request(&request) {
                Ok(()) => return self.start_transfer(state, request),
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
    fn start_transfer(&self, state: &mut LaneState<Arc<R>>, mut request: BlockRequest) {
        let (Some(list), Some(buffer)) = (state.requests.next_free(), request.buffer.take()) else {
            return;
        };
        let bytes = buffer.len();
        let platform = &*self.platform;
        let (opcode, begun) = if request.operation == BlockOperation::Write {
            let begun = InFlight::<ToDevice>::begin(platform, buffer);
            let begun = begun.map(|flight| (flight.address(), Buffer::Reading(flight)));
            (nvm::WRITE, begun)
        } else {
            let begun = InFlight::<FromDevice>::begin(platform, buffer);
            let begun = begun.map(|flight| (flight.address(), Buffer::Filling(flight)));
            (nvm::READ, begun)
        };
        let (address, buffer) = match begun {
            Ok(begun) => begun,
            Err(NoBounce(buffer)) => {
                request.buffer = Some(buffer);
                let error = Err(BlockError::NoMemory);
                return state.requests.settle_at_once(request, error);
            }
        };
        // Exchange objects are aligned to cache lines.
        let prps = state.lists.describe_physical(list.into(), address, bytes);
        let command = self.transfer_command(opcode, request.sector, bytes, prps);
        state.start_batch(&command, request, buffer);
    }

    fn sectors_in(&self, bytes: usize) -> u32 {
        bytes as u32 / self.geometry.sector_bytes
    }

    fn transfer_command(&self, opcode: u8, sector: u64, bytes: usize, prps: Prps) -> Command {
        let sectors = self.sectors_in(bytes);
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

    /// Moves a lent buffer, not longer than the device can take.
    fn transfer<D: Towards>(
        &self,
        opcode: u8,
        sector: u64,
        lent: Result<Lent<'_, D>, NoBounce<()>>,
    ) -> Outcome {
        let lent = lent.map_err(|_| BlockError::NoMemory)?;
        let outcome = self.execute(|state, list| {
            let lists = &state.lists;
            let prps = lists.describe(&*self.platform, list.into(), &lent)?;
            Some(self.transfer_command(opcode, sector, lent.bytes(), prps))
        });
        lent.finish(&*self.platform);
        outcome
    }

    /// Issues one command, made by `make` with an identifier, and waits for it. It fails
    /// if there is none.
    #[inline]
    fn execute(&self, make: impl Fn(&LaneState<Arc<R>>, u16) -> Option<Command>) -> Outcome {
        loop {
            let lane = self.lane();
            let mut state = lane.lock();
            if state.has_failed {
                return Err(BlockError::Device);
            }
            if let Some(identifier) = state.requests.next_free() {
                let command = make(&state, identifier).ok_or(BlockError::Device)?;
                state.requests.begin_awaited();
                state.queue.push(&command, identifier);
                state.ring();
                drop(state);
                return self.wait_for(lane, identifier);
            }
            // Other threads have every identifier, and free them themselves.
            drop(state);
            self.platform.sleep_until(self.platform.now_ns() + LOOK_NS);
        }
    }

    /// Waits for the outcome of an awaited command. It does not return before
    /// the device is done with the command's buffer.
    fn wait_for(&self, lane: &Lane<Arc<R>, I>, identifier: u16) -> Outcome {
        let mut looks = 0;
        let mut deadline_ns = None;
        loop {
            let seen = lane.seen();
            let mut state = lane.lock();
            state.reap(&*self.platform);
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
                drop(state);
                self.recover(lane, &|state| state.requests.is_awaited(identifier));
                continue;
            }
            state.look_for_damage();
            self.rest(lane, state, seen, now_ns);
        }
    }

    /// Waits for an interrupt after `seen`, or a moment.
    fn rest(
        &self,
        lane: &Lane<Arc<R>, I>,
        state: MutexGuard<'_, LaneState<Arc<R>>>,
        seen: u64,
        now_ns: u64,
    ) {
        if self.settings.waiting == Waiting::Polled {
            drop(state);
        } else if lane.wait(state, seen, now_ns + INTERRUPT_NS) {
            return;
        }
        self.platform.sleep_until(now_ns + LOOK_NS);
    }

    /// Resets a controller that does not answer, unless `is_late` no longer
    /// holds of the lane it was asked for. Every command under way, on all
    /// lanes, ends in `TimedOut`.
    ///
    /// # Panics
    /// When the controller cannot be stopped: it may then still write to
    /// buffers of others, and only the kernel, which turns its bus mastering
    /// off when this domain ends, can keep it from that.
    #[cold]
    #[inline(never)]
    fn recover(&self, lane: &Lane<Arc<R>, I>, is_late: &dyn Fn(&mut LaneState<Arc<R>>) -> bool) {
        let mut controller = self.controller.lock();
        // Another thread may have reset it meanwhile, which ended the command.
        if !is_late(&mut lane.lock()) {
            return;
        }
        log::warn!("nvme: the controller does not answer; resetting it");
        let mut states: Vec<_> = self.lanes.iter().map(Lane::lock).collect();
        match controller.stop() {
            // A controller that is gone writes nowhere.
            Ok(()) | Err(StartFailure::Gone) => {}
            Err(failure) => panic!("nvme: {failure}; its buffers are in danger"),
        }
        for state in &mut states {
            let requests = &mut state.requests;
            requests.fail_all(&*self.platform, BlockError::TimedOut);
        }
        if let Err(failure) = restart(&mut controller, &mut states) {
            log::error!("nvme: {failure}; every request fails from now on");
            states.iter_mut().for_each(|state| state.has_failed = true);
        }
    }
}

/// Starts a stopped controller again, with empty queues.
fn restart<R: Registers, P: Platform>(
    controller: &mut Controller<R, P>,
    lanes: &mut [MutexGuard<'_, LaneState<R>>],
) -> Result<(), StartFailure> {
    controller.enable()?;
    controller.request_queues(lanes.len() as u16)?;
    lanes
        .iter_mut()
        .try_for_each(|lane| create_queue(controller, lane))
}

fn create_queue<R: Registers, P: Platform>(
    controller: &mut Controller<R, P>,
    lane: &mut LaneState<R>,
) -> Result<(), StartFailure> {
    controller.create_queue(&mut lane.queue, lane.vector)
}
