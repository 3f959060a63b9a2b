//! The table of processes: who started whom, who ended and how.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use interfaces::process::{ExitStatus, ProcessInfo};

use crate::charges::Charges;
use crate::ends::cause;
use crate::errno::{Errno, Outcome};
use crate::journal::{Change, Journal};
use crate::lanes::Call;
use crate::process::ProcessState;
use crate::record::{self, Kind, ProcessRecord};
use crate::sync::{Condvar, Mutex};
use crate::wake::Wake;

/// Number of the first process, which adopts orphans and is never killed.
pub const FIRST_PID: u32 = 1;

/// Most processes at once.
const PROCESS_MAX: usize = 1_024;

/// Most processes of one job: one that the first process started, and all that
/// descend from it. Whatever goes on to start processes ends as a whole.
pub const JOB_MAX: usize = 128;

/// Ended processes of which the domain is remembered.
const ENDED_MAX: usize = 256;

/// All processes.
pub struct ProcessTable {
    journal: Arc<Journal>,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<u32, Entry>,
    last_pid: u32,
    /// Domains that died of what processes called.
    charges: Charges,
    /// Domains of processes that ended lately, their numbers and jobs: it is known of a
    /// death only when the dead domain is reclaimed.
    ended: VecDeque<(u64, u32, u32)>,
}

struct Entry {
    process: Arc<ProcessState>,
    parent: u32,
    /// Lane of its parent's call that started it.
    lane: usize,
    /// Number of the process that its job began with.
    job: u32,
    /// Its parent ended first: nobody waits for it.
    is_adopted: bool,
    /// Set when it has ended and was not waited for yet.
    status: Option<ExitStatus>,
}

impl Entry {
    /// Writes down all that is known of the process.
    fn record(&self, change: &mut Change) {
        let record = ProcessRecord {
            parent: self.parent,
            lane: self.lane,
            job: self.job,
            is_adopted: self.is_adopted,
            ended: self.status.map(|ended| (ended.status, ended.cause)),
            ..self.process.record()
        };
        change.put(process_key(self.process.number()), &record.encode());
    }
}

const fn process_key(pid: u32) -> u64 {
    record::key(Kind::Process, pid as u64)
}

impl State {
    /// The job of what a process starts; `None`: a new one.
    fn job_of(&self, parent: u32) -> Option<u32> {
        let is_first = parent <= FIRST_PID;
        let parent = self.entries.get(&parent).filter(|_| !is_first);
        parent.map(|parent| parent.job)
    }

    /// The number and the job of the process that has or had a domain.
    fn owner_of(&self, domain: u64) -> Option<(u32, u32)> {
        let mut entries = self.entries.values();
        let running = entries.find(|entry| entry.process.domain() == domain);
        let running = running.map(|entry| (entry.process.number(), entry.job));
        let mut ended = self.ended.iter();
        running.or_else(|| {
            let found = ended.find(|(of, ..)| *of == domain);
            found.map(|(_, pid, job)| (*pid, *job))
        })
    }
}

impl ProcessTable {
    /// A table without processes.
    #[must_use]
    pub fn new(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            state: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    /// Adds a predecessor's process.
    pub fn revive(&self, process: Arc<ProcessState>, record: &ProcessRecord) {
        let pid = process.number();
        let entry = Entry {
            process,
            parent: record.parent,
            lane: record.lane,
            job: record.job,
            is_adopted: record.is_adopted,
            status: record
                .ended
                .map(|(status, cause)| ExitStatus { pid, status, cause }),
        };
        self.state.lock().entries.insert(pid, entry);
    }

    /// Goes on numbering processes behind a predecessor's newest.
    pub fn set_last(&self, pid: u32) {
        self.state.lock().last_pid = pid;
    }

    /// Notes the domain of a process that has been started, which is the answer to
    /// its parent's call.
    pub fn set_domain(&self, process: &ProcessState, domain: u64, call: Option<&Call<'_>>) {
        let state = self.state.lock();
        process.set_domain(domain);
        let fill = |change: &mut Change| {
            if let Some(entry) = state.entries.get(&process.number()) {
                entry.record(change);
            }
        };
        match call {
            Some(call) => call.commit([u64::from(process.number()), 0], fill),
            None => self.journal.commit(fill),
        }
    }

    /// Writes down what has become of a process.
    pub fn keep(&self, pid: u32) {
        let state = self.state.lock();
        if let Some(entry) = state.entries.get(&pid) {
            self.journal.commit(|change| entry.record(change));
        }
    }

    /// The process of a domain, unless it has ended.
    #[must_use]
    pub fn of_domain(&self, domain: u64) -> Option<Arc<ProcessState>> {
        let state = self.state.lock();
        let mut running = state.entries.values().filter(|one| one.status.is_none());
        let found = running.find(|entry| entry.process.domain() == domain)?;
        Some(Arc::clone(&found.process))
    }

    /// The job of the process that has a domain, or had it lately.
    #[must_use]
    pub fn job_of(&self, domain: u64) -> Option<u32> {
        self.state.lock().owner_of(domain).map(|(_, job)| job)
    }

    /// Whether two processes belong to one job, ended or not.
    #[must_use]
    pub fn are_of_one_job(&self, one: u32, other: u32) -> bool {
        let state = self.state.lock();
        let [one, other] = [one, other].map(|pid| state.entries.get(&pid).map(|entry| entry.job));
        one.is_some() && one == other
    }

    /// Whether a process has no domain yet.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        let state = self.state.lock();
        let mut entries = state.entries.values();
        entries.any(|entry| entry.process.domain() == 0)
    }

    /// All processes that have not ended.
    #[must_use]
    pub fn all_running(&self) -> Vec<Arc<ProcessState>> {
        let state = self.state.lock();
        let running = state.entries.values().filter(|one| one.status.is_none());
        running.map(|entry| Arc::clone(&entry.process)).collect()
    }

    /// The processes of the job that `parent` belongs to, if it has as many as it
    /// may; they are noted as killed, so that none of them starts another. Those
    /// that have ended and were not waited for count, too.
    #[must_use]
    pub fn end_full_job(&self, parent: u32) -> Option<Vec<Arc<ProcessState>>> {
        let state = self.state.lock();
        let asks = state.entries.get(&parent)?;
        if asks.process.was_killed() {
            return None;
        }
        let job = state.job_of(parent)?;
        let members = || state.entries.values().filter(|entry| entry.job == job);
        if members().count() < JOB_MAX {
            return None;
        }
        Some(self.note_end_of_job(&state, job, cause::PROCESS_LIMIT))
    }

    /// Charges the job of a process with the death of what it called: its number and the
    /// processes that have not ended, if it has caused as many as it may; they are noted
    /// as killed. Nobody charges the first process.
    #[must_use]
    pub fn charge(&self, caller: u64, died_ns: u64) -> Option<(u32, Vec<Arc<ProcessState>>)> {
        let mut state = self.state.lock();
        let (pid, job) = state.owner_of(caller)?;
        let is_over = job != FIRST_PID && state.charges.add(job, died_ns);
        is_over.then(|| (pid, self.note_end_of_job(&state, job, cause::DEADLY_CALLS)))
    }

    /// Notes all processes of a job that have not ended as killed.
    fn note_end_of_job(&self, state: &State, job: u32, cause: u32) -> Vec<Arc<ProcessState>> {
        let members = state.entries.values().filter(|entry| entry.job == job);
        let running: Vec<&Entry> = members.filter(|entry| entry.status.is_none()).collect();
        for entry in &running {
            entry.process.note_kill(cause);
        }
        self.journal.commit(|change| {
            running.iter().for_each(|entry| entry.record(change));
        });
        let processes = running.iter().map(|entry| Arc::clone(&entry.process));
        processes.collect()
    }

    /// Notes that processes are ended, with what else `note` writes down.
    pub fn note_kills(
        &self,
        processes: &[Arc<ProcessState>],
        cause: u32,
        note: impl FnOnce(&mut Change),
    ) {
        let state = self.state.lock();
        processes.iter().for_each(|one| one.note_kill(cause));
        self.journal.commit(|change| {
            let entries = processes.iter();
            let entries = entries.filter_map(|one| state.entries.get(&one.number()));
            entries.for_each(|entry| entry.record(change));
            note(change);
        });
    }

    /// Adds a process, made from its number, for a call of its parent's.
    ///
    /// # Errors
    /// `EAGAIN` when there are too many; `EINTR` when the parent was killed.
    pub fn add(
        &self,
        call: Option<&Call<'_>>,
        make: impl FnOnce(u32) -> Arc<ProcessState>,
    ) -> Outcome<Arc<ProcessState>> {
        let parent = call.map_or(0, |call| call.number());
        let lane = call.and_then(Call::lane).unwrap_or(0);
        let mut state = self.state.lock();
        if state.entries.len() >= PROCESS_MAX {
            return Err(Errno::EAGAIN);
        }
        let mut pid = state.last_pid;
        loop {
            pid = if pid >= i32::MAX.unsigned_abs() {
                FIRST_PID
            } else {
                pid + 1
            };
            if !state.entries.contains_key(&pid) {
                break;
            }
        }
        state.last_pid = pid;
        let killed = state.entries.get(&parent);
        if killed.is_some_and(|parent| parent.process.was_killed()) {
            return Err(Errno::EINTR);
        }
        let job = state.job_of(parent).unwrap_or(pid);
        let process = make(pid);
        let entry = Entry {
            process: Arc::clone(&process),
            parent,
            lane,
            job,
            is_adopted: false,
            status: None,
        };
        self.journal.commit(|change| {
            entry.record(change);
            process.record_start(change);
            if parent == 0 {
                process.record_files(&self.journal, change);
            }
            change.put(record::key(Kind::System, 1), &u64::from(pid).to_le_bytes());
        });
        state.entries.insert(pid, entry);
        Ok(process)
    }

    /// Forgets a process that never ran.
    pub fn remove(&self, pid: u32) {
        let mut state = self.state.lock();
        let entry = state.entries.remove(&pid);
        if let Some(entry) = &entry {
            self.journal.commit(|change| entry.process.forget(change));
        }
        drop(state);
        drop(entry);
    }

    /// A process that has not ended.
    #[must_use]
    pub fn running(&self, pid: u32) -> Option<Arc<ProcessState>> {
        let state = self.state.lock();
        let entry = state.entries.get(&pid)?;
        entry.status.is_none().then(|| Arc::clone(&entry.process))
    }

    /// Whether there is a process of that number, ended or not.
    #[must_use]
    pub fn exists(&self, pid: u32) -> bool {
        self.state.lock().entries.contains_key(&pid)
    }

    /// The number of a process's parent; 0 for the first.
    #[must_use]
    pub fn parent_of(&self, pid: u32) -> u32 {
        self.state
            .lock()
            .entries
            .get(&pid)
            .map_or(0, |entry| entry.parent)
    }

    /// The process and everything that descends from it, oldest first.
    #[must_use]
    pub fn family(&self, pid: u32) -> Vec<Arc<ProcessState>> {
        let state = self.state.lock();
        let mut numbers = Vec::from([pid]);
        let mut looked_at = 0;
        while let Some(parent) = numbers.get(looked_at).copied() {
            let children = state
                .entries
                .iter()
                .filter(|(_, entry)| entry.parent == parent);
            numbers.extend(children.map(|(child, _)| *child));
            looked_at += 1;
        }
        let entries = numbers
            .iter()
            .filter_map(|number| state.entries.get(number));
        entries
            .filter(|entry| entry.status.is_none())
            .map(|entry| Arc::clone(&entry.process))
            .collect()
    }

    /// Records the end of a process and gives its children to the first one.
    pub fn end(&self, status: ExitStatus) {
        let mut gone: Vec<Entry> = Vec::new();
        let mut state = self.state.lock();
        let mut changed = Vec::from([status.pid]);
        let orphans: Vec<u32> = state
            .entries
            .iter()
            .filter(|(_, entry)| entry.parent == status.pid)
            .map(|(pid, _)| *pid)
            .collect();
        for pid in orphans {
            let Some(entry) = state.entries.get_mut(&pid) else {
                continue;
            };
            changed.push(pid);
            entry.parent = FIRST_PID;
            entry.is_adopted = true;
            if entry.status.is_some() {
                gone.extend(state.entries.remove(&pid));
            }
        }
        if let Some(entry) = state.entries.get(&status.pid) {
            let ended = (entry.process.domain(), status.pid, entry.job);
            if state.ended.len() == ENDED_MAX {
                state.ended.pop_front();
            }
            state.ended.push_back(ended);
        }
        if let Some(entry) = state.entries.get_mut(&status.pid) {
            if entry.is_adopted {
                gone.extend(state.entries.remove(&status.pid));
            } else {
                entry.status = Some(status);
            }
        }
        self.journal.commit(|change| {
            let left = changed.iter().filter_map(|pid| state.entries.get(pid));
            left.for_each(|entry| entry.record(change));
            gone.iter().for_each(|entry| entry.process.forget(change));
            change.forget(record::key(Kind::Directory, u64::from(status.pid)));
        });
        drop(state);
        self.ended.notify_all();
        drop(gone);
    }

    /// Waits for a child of the caller to end: `pid`, or any if 0. `None`: none
    /// has, and `is_waiting` is not set.
    ///
    /// # Errors
    /// `ECHILD`; `EINTR` when the parent is killed while it waits.
    pub fn wait(&self, call: &Call<'_>, pid: u32, is_waiting: bool) -> Outcome<Option<ExitStatus>> {
        let mut state = self.state.lock();
        loop {
            let mut has_child = false;
            let mut ended = None;
            for (number, entry) in &state.entries {
                let is_meant = pid == 0 || pid == *number;
                if entry.parent == call.number() && !entry.is_adopted && is_meant {
                    has_child = true;
                    ended = ended.or(entry.status);
                }
            }
            if let Some(status) = ended {
                let entry = state.entries.remove(&status.pid);
                call.commit(ended_words(&status), |change| {
                    if let Some(entry) = &entry {
                        entry.process.forget(change);
                    }
                });
                drop(state);
                drop(entry);
                return Ok(Some(status));
            }
            if !has_child {
                return Err(Errno::ECHILD);
            }
            if !is_waiting {
                return Ok(None);
            }
            if call.blocked().is_killed() {
                return Err(Errno::EINTR);
            }
            state = self.ended.wait(state);
        }
    }

    /// Waits until no process but the first is left, at most until
    /// `deadline_ns`; whether that came true.
    pub fn wait_alone(&self, deadline_ns: u64) -> bool {
        let mut state = self.state.lock();
        loop {
            let is_other =
                |(pid, entry): (&u32, &Entry)| *pid != FIRST_PID && entry.status.is_none();
            if !state.entries.iter().any(is_other) {
                return true;
            }
            let (next, is_late) = self.ended.wait_until(state, deadline_ns);
            if is_late {
                return false;
            }
            state = next;
        }
    }

    /// Waits until a process has ended, without taking its status away.
    #[must_use]
    pub fn wait_end(&self, pid: u32) -> Option<ExitStatus> {
        let mut state = self.state.lock();
        loop {
            match state.entries.get(&pid) {
                None => return None,
                Some(Entry {
                    status: Some(status),
                    ..
                }) => return Some(*status),
                Some(_) => state = self.ended.wait(state),
            }
        }
    }

    /// Fills `list`; how many processes there are.
    pub fn list(&self, list: &mut [ProcessInfo]) -> u64 {
        let processes: Vec<_> = {
            let state = self.state.lock();
            let entries = state.entries.values();
            entries
                .map(|entry| {
                    (
                        Arc::clone(&entry.process),
                        entry.parent,
                        entry.status.is_some(),
                    )
                })
                .collect()
        };
        for (slot, (process, parent, has_ended)) in list.iter_mut().zip(&processes) {
            *slot = process.info(*parent, *has_ended);
        }
        processes.len() as u64
    }
}

/// How a process ended, as the value of a finished call.
fn ended_words(status: &ExitStatus) -> [u64; 2] {
    let pid = u64::from(status.pid);
    [pid | u64::from(status.status) << 32, status.cause.into()]
}

impl Wake for ProcessTable {
    fn wake_all(&self) {
        drop(self.state.lock());
        self.ended.notify_all();
    }
}
