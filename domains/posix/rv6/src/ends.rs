//! The ends of processes: who ends them, who sees to it, and what it is called.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::process::ExitStatus;

use crate::charges::DEATHS_MAX;
use crate::errno::{Errno, Outcome, flatten};
use crate::process::ProcessState;
use crate::rv6::Rv6;
use crate::system::{DomainEnd, Ended};
use crate::table::FIRST_PID;
use crate::wake::{Bed, NEVER};

/// Exit status of a process that was killed: 128 and the number of SIGKILL.
const STATUS_KILLED: u32 = 137;
/// Exit status of a process that the interrupt key ended: 128 and SIGINT.
pub const STATUS_INTERRUPTED: u32 = 130;
/// Exit status of a program that was found but could not be started.
const STATUS_NOT_STARTED: u32 = 126;

/// How often, and after which pause, the domain of a killed process is looked
/// for again when it has none yet.
const KILL_ATTEMPTS: u32 = 200;
const KILL_RETRY_NS: u64 = 1_000_000;

/// How often ending domains are looked for.
const WATCH_NS: u64 = 20_000_000;

/// In the place of a domain: the process will never have one.
pub(crate) const NO_DOMAIN: u64 = u64::MAX;

/// How long processes may take to end at shutdown.
const SHUTDOWN_NS: u64 = 2_000_000_000;

impl Rv6 {
    /// Begins the end of a process, for another one.
    ///
    /// # Errors
    /// `ESRCH`; `EPERM` for the first process, and for one that the other may not end.
    pub fn kill(&self, by: &ProcessState, pid: u32) -> Outcome<()> {
        if pid == FIRST_PID {
            return Err(Errno::EPERM);
        }
        self.check_may_end(by, pid)?;
        match self.table().running(pid) {
            Some(process) => self.end_process(&process, cause::KILLED),
            // It has ended, but its parent has not asked how yet.
            None if self.table().exists(pid) => {}
            None => return Err(Errno::ESRCH),
        }
        Ok(())
    }

    /// Checks that a process may end another, or have it ended by the interrupt key: one
    /// of its own job, or any if it may administer the system.
    ///
    /// # Errors
    /// `EPERM`.
    pub(crate) fn check_may_end(&self, by: &ProcessState, pid: u32) -> Outcome<()> {
        let is_of_its_job = || self.table().are_of_one_job(by.number(), pid);
        match by.may_administer() || !self.table().exists(pid) || is_of_its_job() {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    pub(crate) fn end_process(&self, process: &ProcessState, cause: u32) {
        process.note_kill(cause);
        self.table().keep(process.number());
        process.blocked().kill();
        // It may be about to get its domain; if it never does, it has ended.
        for _ in 0..KILL_ATTEMPTS {
            let domain = process.domain();
            if domain != 0 {
                return self.system().kill(domain, cause);
            }
            if self.table().running(process.number()).is_none() {
                return;
            }
            process
                .bed()
                .sleep_until(self.system().clock_ns() + KILL_RETRY_NS, &NEVER);
        }
    }

    /// Sees to the ends of processes. Never returns.
    pub fn watch_ends(self: &Arc<Self>) -> ! {
        let mut after = 0;
        loop {
            let end = self.system().next_end(after);
            let has_gap = end.number != after + 1;
            after = end.number;
            self.charge(&end);
            if let Some(process) = self.table().of_domain(end.domain) {
                self.finish(&process, &end.ended);
            }
            if has_gap {
                self.look_for_ends();
            }
        }
    }

    /// Charges a death to the job whose call it was, and ends a job that has caused too
    /// many.
    fn charge(self: &Arc<Self>, end: &DomainEnd) {
        if end.caller == 0 {
            return;
        }
        // It may be about to get its domain.
        for _ in 0..KILL_ATTEMPTS {
            if self.table().job_of(end.caller).is_some() || !self.table().is_starting() {
                break;
            }
            let pause = Bed::default();
            pause.sleep_until(self.system().clock_ns() + KILL_RETRY_NS, &NEVER);
        }
        if let Some((pid, job)) = self.table().charge(end.caller, end.began_ns) {
            let why = format!("has made {DEATHS_MAX} calls that others died of");
            self.end_job(pid, job, &why, cause::DEADLY_CALLS);
        }
    }

    /// Goes on with what a predecessor had begun to end.
    pub(crate) fn end_again(&self) {
        for process in self.table().all_running() {
            match process.kill_cause() {
                0 => {}
                cause => self.end_process(&process, cause),
            }
        }
    }

    /// Sees to the ends of processes that nobody reported.
    pub(crate) fn look_for_ends(&self) {
        for process in self.table().all_running() {
            let domain = process.domain();
            if domain != 0
                && let Some(ended) = self.system().end_of(domain)
            {
                self.finish(&process, &ended);
            }
        }
    }

    /// Ends a job. On a thread that goes first: the job may have left nothing of the
    /// CPUs.
    pub(crate) fn end_job(
        self: &Arc<Self>,
        pid: u32,
        job: Vec<Arc<ProcessState>>,
        why: &str,
        cause: u32,
    ) {
        if let Some(process) = self.table().running(pid) {
            let name = process.domain_name();
            self.system()
                .log(&format!("{name}: its job {why} and is ended"));
        }
        let rv6 = Arc::clone(self);
        let work = Box::new(move || rv6.end_all(job, cause));
        if !self.system().spawn_urgent("end of job", work) {
            self.system().log("no thread to end it");
        }
    }

    /// Ends processes, which are noted as killed, all at once.
    fn end_all(&self, mut processes: Vec<Arc<ProcessState>>, cause: u32) {
        for attempt in 0..KILL_ATTEMPTS {
            for process in &processes {
                let domain = process.domain();
                if domain != 0 {
                    self.system().kill(domain, cause);
                }
                if attempt == 0 {
                    process.blocked().kill();
                }
            }
            // Some had no domain yet.
            let pause = Bed::default();
            pause.sleep_until(self.system().clock_ns() + KILL_RETRY_NS, &NEVER);
            processes.retain(|process| self.table().running(process.number()).is_some());
            if processes.is_empty() {
                return;
            }
        }
    }

    pub(crate) fn finish(&self, process: &Arc<ProcessState>, ended: &Ended) {
        if process.note_end() {
            return;
        }
        let (status, cause) = match ended {
            Ended::Exited(status) => (status.unsigned_abs() & 0xff, 0),
            Ended::Died(_) if process.is_interrupted() => (STATUS_INTERRUPTED, cause::KILLED),
            Ended::Died(cause) => (status_of_cause(*cause), *cause),
            Ended::NotStarted(reason) => {
                self.system()
                    .log(&format!("process {}: {reason}", process.number()));
                (STATUS_NOT_STARTED, cause::START_FAILED)
            }
        };
        // A killed process may have left by itself on its way out.
        let (status, cause) = match ended {
            Ended::Exited(_) if process.was_killed() => match process.is_interrupted() {
                true => (STATUS_INTERRUPTED, cause::KILLED),
                false => (STATUS_KILLED, cause::KILLED),
            },
            _ => (status, cause),
        };
        process.close_all();
        let pid = process.number();
        self.leave_foreground(pid);
        self.table().end(ExitStatus { pid, status, cause });
    }

    /// Lets processes go that somebody else ends while they are blocked here: a
    /// dying domain waits for its thread to come back. Never returns.
    pub fn release_dying(&self) -> ! {
        let bed = Bed::default();
        loop {
            bed.sleep_until(self.system().clock_ns() + WATCH_NS, &NEVER);
            for domain in self.system().dying_domains() {
                if let Some(process) = self.table().of_domain(domain) {
                    process.blocked().kill();
                }
            }
            self.journal().look();
        }
    }

    /// Ends every process but the first and makes the disk clean.
    ///
    /// # Errors
    /// As the file system, asked to sync.
    pub fn shut_down(&self) -> Outcome<()> {
        for process in self.table().family(FIRST_PID) {
            if process.number() != FIRST_PID {
                self.end_process(&process, cause::KILLED);
            }
        }
        if !self
            .table()
            .wait_alone(self.system().clock_ns() + SHUTDOWN_NS)
        {
            self.system()
                .log("shutdown: some processes did not end in time");
        }
        flatten(self.disk().files().sync())
    }
}

/// Numbers of `abi::death::DeathCause` that Rv6 knows about.
pub mod cause {
    /// A panic.
    pub const PANIC: u32 = 1;
    /// Memory that is not mapped.
    pub const PAGE_FAULT: u32 = 2;
    /// The guard page of the stack.
    pub const STACK_OVERFLOW: u32 = 3;
    /// An undefined instruction.
    pub const INVALID_OPCODE: u32 = 4;
    /// A division by zero.
    pub const DIVIDE_ERROR: u32 = 5;
    /// Another exception.
    pub const PROTECTION: u32 = 6;
    /// Ended from outside.
    pub const KILLED: u32 = 9;
    /// Could not be started.
    pub const START_FAILED: u32 = 10;
    /// Belonged to a job that had too many processes.
    pub const PROCESS_LIMIT: u32 = 16;
    /// Memory of somebody else, where protection keys are on.
    pub const PROTECTION_KEY: u32 = 17;
    /// Belonged to a job whose calls others died of.
    pub const DEADLY_CALLS: u32 = 19;
}

/// The exit status a shell shows for a death: 128 and the number of the signal
/// by which Unix ends a process for that reason.
#[must_use]
pub const fn status_of_cause(cause: u32) -> u32 {
    128 + match cause {
        cause::PANIC => 6,
        cause::PAGE_FAULT | cause::STACK_OVERFLOW | cause::PROTECTION | cause::PROTECTION_KEY => 11,
        cause::INVALID_OPCODE => 4,
        cause::DIVIDE_ERROR => 8,
        _ => 9,
    }
}
