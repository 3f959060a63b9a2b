//! Answers that the supervisor waits for: for none without an end.
//!
//! What does not answer in time is ended: then the call into it comes back. It does not
//! as long as what the dead domain had called goes on: so such calls are made on threads
//! of their own, which may be left alone.

use alloc::sync::Arc;

use runtime::sync::{Condvar, Mutex};
use runtime::thread::{Priority, spawn};
use runtime::time::{Duration, Instant};
use runtime::{DeathCause, DomainState, Image, Started};

use crate::intention::Intention;
use crate::system::{StartFault, System};

/// How long the entry of a domain may take, unless the plan says otherwise.
const START_TIME: Duration = Duration::from_secs(30);

/// How long a call may take to come back from a domain that was ended.
const RETURN_TIME: Duration = Duration::from_secs(1);

/// Does something on a thread of its own. `None`: it is not done after so long, and goes
/// on without anybody who waits for it; or there can be no thread.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let done = Arc::new((Mutex::new(None), Condvar::new()));
    let theirs = Arc::clone(&done);
    let work = move || {
        let result = work();
        *theirs.0.lock() = Some(result);
        theirs.1.notify_all();
    };
    spawn("call", Priority::Normal, work).ok()?;
    let deadline = Instant::now() + limit;
    let mut result = done.0.lock();
    while result.is_none() && Instant::now() < deadline {
        let left = deadline - Instant::now();
        result = done.1.wait_timeout(result, left).0;
    }
    result.take()
}

impl System {
    /// Ends a domain after a time, unless what this returns is dropped before. On a
    /// thread that is made before, and of high priority: what loops may leave others no
    /// CPU. `None`: there can be no such thread.
    pub(crate) fn end_in(self: &Arc<Self>, id: u64, delay: Duration) -> Option<Intention> {
        self.end_found_in(delay, move |_| Some(id))
    }

    /// As [`System::end_in`], a domain that is looked for then.
    fn end_found_in(
        self: &Arc<Self>,
        delay: Duration,
        find: impl FnOnce(&Self) -> Option<u64> + Send + 'static,
    ) -> Option<Intention> {
        let system = Arc::clone(self);
        let intention = Intention::new();
        let plan = intention.plan();
        let end = move || {
            plan.carry_out_in(delay, || {
                if let Some(id) = find(&system) {
                    // It may have ended otherwise.
                    let _ = system.control().kill(id, DeathCause::Watchdog);
                }
            });
        };
        spawn("end", Priority::High, end).ok().map(|_| intention)
    }

    /// Calls into a domain that has so long to answer. `None`: it did not, and has
    /// ended, or memory is too short for a look at the time.
    pub(crate) fn call_within<T: Send + 'static>(
        self: &Arc<Self>,
        (name, id): (&str, u64),
        limit: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let end = self.end_in(id, limit)?;
        let answer = within(limit + RETURN_TIME, call);
        if answer.is_none() || end.is_done() {
            let limit_ms = limit.as_millis();
            log::error!("{name} has not answered within {limit_ms} ms, and was ended");
            return None;
        }
        answer
    }

    /// Starts a domain of the plan from an image, and ends it if its entry does not come
    /// back in time. For a thread that nobody waits for.
    pub(crate) fn launch(
        self: &Arc<Self>,
        index: usize,
        image: &Image,
    ) -> Result<Started, StartFault> {
        let limit = self.start_limit(index);
        let end = self.end_found_in(limit, move |system| system.starting(index));
        let end = end.ok_or(StartFault::NoMemory)?;
        let started = self.enter(index, image);
        match end.is_done() {
            true => Err(StartFault::TooLong(limit)),
            false => started,
        }
    }

    /// As [`System::launch`], for everybody: a start that is held up by what the new
    /// domain calls is left alone.
    pub(crate) fn launch_within(
        self: &Arc<Self>,
        index: usize,
        image: &Arc<Image>,
    ) -> Result<Started, StartFault> {
        let limit = self.start_limit(index);
        let (system, image) = (Arc::clone(self), Arc::clone(image));
        let started = within(limit + RETURN_TIME, move || system.launch(index, &image));
        started.unwrap_or(Err(StartFault::TooLong(limit)))
    }

    /// How long the entry of a domain of the plan may take.
    fn start_limit(&self, index: usize) -> Duration {
        match self.plan.domains[index].start_ns {
            0 => START_TIME,
            limit_ns => Duration::from_nanos(limit_ns),
        }
    }

    /// The domain that is being started: it has the name of one of the plan, and has not
    /// been seen here.
    fn starting(&self, index: usize) -> Option<u64> {
        let known = self.entries.lock().get(index)?.id;
        let all = self.control().list().ok()?;
        let name = self.plan.domains[index].name.as_str();
        let mut new = all
            .iter()
            .filter(|info| info.id != known && info.state != DomainState::Dying as u32);
        let found = new.find(|info| runtime::name_text(&info.name) == name);
        found.map(|info| info.id)
    }
}
