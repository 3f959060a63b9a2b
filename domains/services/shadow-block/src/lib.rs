//! The shadow of a block device: hides its driver's death from callers.
//!
//! A call that waits is simply made again on the successor: the caller's
//! buffer is only borrowed. Requests of batches are kept until they are
//! finished ([`flights`]) and handed to the successor in their order.
//!
//! It is a domain of its own, or a part of one that submits batches: since it lends
//! the buffers, its owner outlives the death of another shadow as well as that of
//! a driver.
//!
//! Repeating is sound because every request of a block device may be carried
//! out twice: who waits for a write changes its sectors in no other way.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod flights;

use exchange::{Proxy, RpcResult};
use interfaces::block::{BlockBatch, BlockDevice, BlockError, Geometry};
use runtime::sync::Mutex;
use runtime::time::Instant;
use shadow::{Deaths, Guard};

use crate::flights::Flights;

type Answer = RpcResult<Result<(), BlockError>>;

/// How often a request that the device does not answer in time is repeated.
const REPETITIONS: u32 = 2;

/// The object a shadow provides.
#[derive(Debug)]
pub struct Shadow {
    guard: Guard<dyn BlockDevice>,
    flights: Mutex<Flights>,
}

impl Shadow {
    /// A shadow of what is guarded.
    #[must_use]
    pub fn new(guard: Guard<dyn BlockDevice>) -> Self {
        // Nobody makes more requests than there are nanoseconds.
        let flights = Flights::new(guard.incarnation(), Instant::now().nanoseconds());
        Self {
            guard,
            flights: Mutex::new(flights),
        }
    }

    /// Makes a call that waits, as often as it takes.
    #[inline(always)]
    fn wait(
        &self,
        call: impl Fn(&Proxy<dyn BlockDevice>) -> RpcResult<Result<(), BlockError>>,
    ) -> RpcResult<Result<(), BlockError>> {
        match self.guard.call(Result::is_err, &call) {
            // Named first: it needs no look at anything else.
            Ok(Ok(())) => Ok(Ok(())),
            Err(error) if error.is_domain_dead() => Ok(Err(BlockError::DriverLost)),
            Ok(Err(BlockError::TimedOut)) => self.wait_again(&call),
            answer => answer,
        }
    }

    /// Repeats a call that the device did not answer in time: the driver has
    /// reset it, and knows that it does nothing any more.
    #[cold]
    #[inline(never)]
    fn wait_again(
        &self,
        call: &dyn Fn(&Proxy<dyn BlockDevice>) -> Answer,
    ) -> RpcResult<Result<(), BlockError>> {
        let mut answer = Ok(Err(BlockError::TimedOut));
        for _ in 0..REPETITIONS {
            answer = self.guard.call(Result::is_err, call);
            if !matches!(answer, Ok(Err(BlockError::TimedOut))) {
                break;
            }
        }
        match answer {
            Err(error) if error.is_domain_dead() => Ok(Err(BlockError::DriverLost)),
            answer => answer,
        }
    }

    /// Does one step with the driver, again with each successor. `None`: the
    /// driver is lost, and with it everything that was under way.
    fn step<R>(
        &self,
        flights: &mut Flights,
        mut step: impl FnMut(&mut Flights, &Proxy<dyn BlockDevice>) -> RpcResult<R>,
    ) -> Option<R> {
        let mut deaths = Deaths::default();
        loop {
            flights.follow(self.guard.incarnation());
            match step(flights, self.guard.object()) {
                Ok(result) => {
                    self.guard.report(&deaths);
                    return Some(result);
                }
                Err(error) if error.is_domain_dead() => {
                    if self.guard.wait(flights.incarnation(), &mut deaths).is_err() {
                        flights.give_up();
                        return None;
                    }
                }
                // No stack for a crossing: nothing was handed over.
                Err(_) => return None,
            }
        }
    }
}

impl BlockDevice for Shadow {
    fn geometry(&self) -> RpcResult<Geometry> {
        self.guard.call(|_| false, |device| device.geometry())
    }

    #[inline(always)]
    fn read(&self, sector: u64, into: &mut [u8]) -> RpcResult<Result<(), BlockError>> {
        let into = core::cell::RefCell::new(into);
        self.wait(|device| device.read(sector, &mut into.borrow_mut()))
    }

    #[inline(always)]
    fn write(&self, sector: u64, from: &[u8]) -> RpcResult<Result<(), BlockError>> {
        self.wait(|device| device.write(sector, from))
    }

    #[inline(always)]
    fn flush(&self) -> RpcResult<Result<(), BlockError>> {
        self.wait(|device| device.flush())
    }

    fn submit(&self, batch: BlockBatch) -> RpcResult<BlockBatch> {
        let mut flights = self.flights.lock();
        if flights.must_wait(&batch) {
            return Ok(batch);
        }
        let first = flights.enlist(batch);
        self.step(&mut flights, Flights::hand_over);
        Ok(flights.dismiss(first))
    }

    fn poll(&self, mut room: BlockBatch) -> RpcResult<BlockBatch> {
        let mut flights = self.flights.lock();
        if flights.is_poll_needed() && !room.is_full() {
            self.step(&mut flights, |flights, device| {
                flights.hand_over(device)?;
                flights.collect(device)
            });
        }
        flights.finish(&mut room);
        Ok(room)
    }
}
