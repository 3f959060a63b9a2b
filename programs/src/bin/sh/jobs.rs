//! Background commands, and waiting for the ones in the foreground.

use posix::prelude::*;
use posix::process::{self, ExitStatus};
use posix::system;

use crate::shell::Shell;

/// Status of a process that the interrupt key ended.
const STATUS_INTERRUPTED: i32 = 130;

/// Number of the cause "killed".
const CAUSE_KILLED: u32 = 9;

/// Ends that are remembered for `wait`.
const REMEMBERED: usize = 64;

/// Background commands of a shell.
#[derive(Debug, Default)]
pub struct Jobs {
    jobs: Vec<Job>,
    last: Option<u32>,
    /// Of the processes waited for last, the status of the last one that failed.
    last_failed: Option<i32>,
    /// Statuses of those that ended last.
    ended: Vec<(u32, i32)>,
}

#[derive(Debug)]
struct Job {
    number: u32,
    pids: Vec<u32>,
    text: String,
}

impl Jobs {
    /// The last process started in the background.
    pub const fn last(&self) -> Option<u32> {
        self.last
    }

    /// Says what the last process started in the background was.
    pub const fn set_last(&mut self, last: Option<u32>) {
        self.last = last;
    }

    /// Adds a command; its number.
    pub fn add(&mut self, pids: Vec<u32>, text: String) -> u32 {
        let number = self.jobs.last().map_or(1, |job| job.number + 1);
        self.last = pids.last().copied();
        self.ended.retain(|(ended, _)| !pids.contains(ended));
        self.jobs.push(Job { number, pids, text });
        number
    }

    /// Notes an end; the command, if it was the last process of one.
    fn note(&mut self, status: &ExitStatus) -> Option<Job> {
        let index = self
            .jobs
            .iter()
            .position(|job| job.pids.contains(&status.pid()))?;
        if self.jobs[index].pids.last() == Some(&status.pid()) {
            self.remember(status.pid(), status.code());
        }
        self.jobs[index].pids.retain(|pid| *pid != status.pid());
        self.jobs[index]
            .pids
            .is_empty()
            .then(|| self.jobs.remove(index))
    }

    /// The status of a process that has ended, also if it was asked for before.
    fn ended(&self, pid: u32) -> Option<i32> {
        let found = self.ended.iter().find(|(ended, _)| *ended == pid);
        found.map(|(_, status)| *status)
    }

    fn remember(&mut self, pid: u32, status: i32) {
        if self.ended.len() == REMEMBERED {
            self.ended.remove(0);
        }
        self.ended.push((pid, status));
    }
}

impl Shell {
    /// Waits for the processes of a pipeline; its status: that of the last one or,
    /// with `set -o pipefail`, of the last one that failed.
    pub fn wait_pipeline(&mut self, pids: &[u32]) -> i32 {
        let failed = self.wait_foreground(pids);
        match self.options.has("pipefail") && failed == 0 {
            true => self.jobs.last_failed.take().unwrap_or(0),
            false => failed,
        }
    }

    /// Waits for processes; the status of the last one.
    pub fn wait_foreground(&mut self, pids: &[u32]) -> i32 {
        self.jobs.last_failed = None;
        let Some(last) = pids.last() else {
            return self.status;
        };
        if self.is_interactive {
            let _ = system().set_foreground(*last);
        }
        let mut status = 0;
        for pid in pids.iter().rev() {
            let Ok(ended) = process::wait(*pid) else {
                continue;
            };
            if !ended.success() && self.jobs.last_failed.is_none() {
                self.jobs.last_failed = Some(ended.code());
            }
            if pid == last {
                status = ended.code();
                if self.is_interrupt(&ended) {
                    // The others of the pipeline are to go, too.
                    for other in pids {
                        let _ = process::kill(*other);
                    }
                }
            }
            self.report_death(&ended);
        }
        if self.is_interactive {
            let _ = system().set_foreground(0);
        }
        status
    }

    fn is_interrupt(&self, ended: &ExitStatus) -> bool {
        self.is_interactive && ended.cause() == CAUSE_KILLED && ended.code() == STATUS_INTERRUPTED
    }

    /// Whether the last command was ended by the interrupt key.
    pub fn was_interrupted(&self) -> bool {
        self.is_interactive
            && (self.status == STATUS_INTERRUPTED || system().take_interrupt() == Ok(Ok(1)))
    }

    fn report_death(&self, ended: &ExitStatus) {
        match ended.cause_text() {
            Some(text) if ended.cause() != CAUSE_KILLED => {
                self.complain(&format!("process {} died: {text}", ended.pid()));
            }
            _ => {}
        }
    }

    /// Notes which background commands have ended, and tells a person.
    pub fn reap(&mut self) {
        while let Ok(Some(ended)) = process::try_wait(0) {
            self.report_death(&ended);
            if let Some(job) = self.jobs.note(&ended)
                && self.is_interactive
            {
                eprintln!("[{}] done {}", job.number, job.text);
            }
        }
    }

    /// `wait`: for all background commands, or for these processes.
    pub fn builtin_wait(&mut self, arguments: &[String]) -> i32 {
        if arguments.is_empty() {
            while let Ok(ended) = process::wait(0) {
                self.report_death(&ended);
                drop(self.jobs.note(&ended));
            }
            return 0;
        }
        let mut status = 0;
        for argument in arguments {
            let Some(pid) = self.process_of(argument) else {
                self.complain(&format!("wait: {argument}: no such job or process number"));
                return 2;
            };
            status = match self.jobs.ended(pid) {
                Some(status) => status,
                None => match process::wait(pid) {
                    Ok(ended) => {
                        self.report_death(&ended);
                        drop(self.jobs.note(&ended));
                        ended.code()
                    }
                    Err(_) => 127,
                },
            };
        }
        status
    }

    /// `jobs`.
    pub fn builtin_jobs(&mut self) -> i32 {
        self.reap();
        for job in &self.jobs.jobs {
            println!("[{}] running {}", job.number, job.text);
        }
        0
    }

    /// `fg`: waits for a background command as if it had been started in front.
    pub fn builtin_foreground(&mut self, arguments: &[String]) -> i32 {
        let number = arguments.first().map(|text| text.trim_start_matches('%'));
        let index = match number.map(str::parse::<u32>) {
            None => self.jobs.jobs.len().checked_sub(1),
            Some(Ok(number)) => self.jobs.jobs.iter().position(|job| job.number == number),
            Some(Err(_)) => None,
        };
        let Some(index) = index else {
            self.complain("fg: no such job");
            return 1;
        };
        let job = self.jobs.jobs.remove(index);
        eprintln!("{}", job.text);
        self.wait_foreground(&job.pids)
    }

    /// The process that `%1` or a number means.
    pub fn process_of(&self, text: &str) -> Option<u32> {
        match text.strip_prefix('%') {
            Some(number) => {
                let number: u32 = number.parse().ok()?;
                let job = self.jobs.jobs.iter().find(|job| job.number == number)?;
                job.pids.last().copied()
            }
            None => text.parse().ok(),
        }
    }
}
