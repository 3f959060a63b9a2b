//! What the supervisor knows, for programs that administer the system.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use exchange::{Proxy, RpcResult};
use interfaces::process::Errno;
use interfaces::supervisor::{DomainStatus, EdgeStatus, Supervisor, SupervisorError, TracedCall};

use crate::{io, system};

/// Room for so many more than there were when a list turned out too short.
const SLACK: usize = 16;

/// The supervisor.
#[derive(Debug)]
pub struct Administration {
    supervisor: Proxy<dyn Supervisor>,
}

impl Administration {
    /// Asks Rv6 for the supervisor.
    ///
    /// # Errors
    /// If Rv6 was not given it.
    pub fn new() -> io::Result<Self> {
        let supervisor = system::supervisor()?;
        Ok(Self { supervisor })
    }

    /// The supervisor, for all the rest.
    #[must_use]
    pub const fn supervisor(&self) -> &Proxy<dyn Supervisor> {
        &self.supervisor
    }

    /// All domains.
    ///
    /// # Errors
    /// If the supervisor does not answer.
    pub fn domains(&self) -> io::Result<Vec<DomainStatus>> {
        fill(DomainStatus::default(), |list| {
            self.supervisor.domains(list)
        })
    }

    /// The edges of the domain graph.
    ///
    /// # Errors
    /// If the supervisor does not answer.
    pub fn edges(&self) -> io::Result<Vec<EdgeStatus>> {
        fill(EdgeStatus::default(), |list| self.supervisor.edges(list))
    }

    /// From now on one call in `one_in` is timed, a power of two; 0: none.
    /// Inside, the supervisor's refusal.
    ///
    /// # Errors
    /// If the supervisor does not answer.
    pub fn set_sampling(&self, one_in: u32) -> io::Result<Result<(), SupervisorError>> {
        answered(self.supervisor.set_sampling(one_in))
    }

    /// Ends the trace that runs; what it recorded.
    ///
    /// # Errors
    /// If the supervisor does not answer.
    pub fn finish_trace(&self) -> io::Result<Vec<TracedCall>> {
        const STEP: usize = 512;
        let count = answered(self.supervisor.finish_trace())?;
        let mut calls = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let mut step = [TracedCall::default(); STEP];
        loop {
            let copied = self.supervisor.traced_calls(calls.len() as u64, &mut step);
            match usize::try_from(answered(copied)?).unwrap_or(0) {
                0 => return Ok(calls),
                count => calls.extend_from_slice(&step[..count.min(STEP)]),
            }
        }
    }
}

/// A domain's name as text.
#[must_use]
pub fn name(domain: &DomainStatus) -> String {
    let length = domain.name.iter().position(|byte| *byte == 0);
    let name = &domain.name[..length.unwrap_or(domain.name.len())];
    String::from_utf8_lossy(name).into_owned()
}

/// Asks again with more room until the list holds everything.
fn fill<T: Clone>(empty: T, ask: impl Fn(&mut [T]) -> RpcResult<u64>) -> io::Result<Vec<T>> {
    let mut list = vec![empty.clone(); 64];
    loop {
        let count = usize::try_from(answered(ask(&mut list))?).unwrap_or(usize::MAX);
        if count <= list.len() {
            list.truncate(count);
            return Ok(list);
        }
        list.resize(count + SLACK, empty.clone());
    }
}

fn answered<T>(answer: RpcResult<T>) -> io::Result<T> {
    answer.map_err(|_| Errno::EIO.into())
}
