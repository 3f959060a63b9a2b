//! The trace that an administering program runs, and what it recorded.

use alloc::vec::Vec;

use interfaces::supervisor::{SupervisorError, TracedCall};
use runtime::sync::Mutex;
use runtime::{DomainControl, ServiceError, Trace, TraceEvent};

/// At most one trace, running or finished.
pub struct Tracing {
    running: Mutex<Option<Trace>>,
    recorded: Mutex<Vec<TraceEvent>>,
}

impl Tracing {
    /// No trace.
    pub const fn new() -> Self {
        Self {
            running: Mutex::new(None),
            recorded: Mutex::new(Vec::new()),
        }
    }

    /// Begins a trace of the domain that `find` answers. One that runs, say of
    /// a program that was ended, gives way.
    pub fn start(
        &self,
        control: &DomainControl,
        find: impl FnOnce() -> Result<Option<u64>, SupervisorError>,
    ) -> Result<(), SupervisorError> {
        let domain = find()?;
        let mut running = self.running.lock();
        *running = None;
        *self.recorded.lock() = Vec::new();
        let trace = control.trace(domain).map_err(|error| match error {
            ServiceError::NotFound => SupervisorError::NotFound,
            _ => SupervisorError::Failed,
        })?;
        *running = Some(trace);
        Ok(())
    }

    /// Ends the trace; how many calls it recorded.
    pub fn finish(&self) -> u64 {
        let Some(trace) = self.running.lock().take() else {
            return 0;
        };
        let events = trace.finish();
        let count = events.len() as u64;
        *self.recorded.lock() = events;
        count
    }

    /// Copies calls from number `from` on; how many. After the last of them
    /// nothing is kept.
    pub fn copy(&self, from: u64, into: &mut [TracedCall]) -> u64 {
        let mut recorded = self.recorded.lock();
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = recorded.get(from..).unwrap_or(&[]);
        let count = rest.len().min(into.len());
        for (place, event) in into.iter_mut().zip(rest) {
            *place = TracedCall {
                start_ns: event.start_ns,
                end_ns: event.end_ns,
                caller: event.caller,
                callee: event.callee,
                thread: event.thread,
                cpu: event.cpu,
                failed: event.status,
                reserved: 0,
            };
        }
        if count == 0 {
            *recorded = Vec::new();
        }
        count as u64
    }
}
