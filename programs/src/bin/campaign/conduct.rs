//! Injects the faults and writes down what became of each.

use campaign::{Cause, Fault, Kind, Outcome, Plan, Target};
use posix::Proxy;
use posix::fs::{self, File};
use posix::io::{self, BufReader};
use posix::prelude::*;
use posix::process::{self, Child, Command};
use posix::supervisor::{Injection, InjectionReport, Supervisor, SupervisorError};
use posix::time::{self, Duration, Instant};

use crate::cause::crash_cause;
use crate::report::{Report, Tally};
use crate::{DIRECTORY, PROGRAM, victim, work};

/// How long a fault may wait for a thread that executes in its domain.
const WITHIN_NS: u64 = 20_000_000;

/// How long a domain may take to run, after which it is missed.
const START_TIME: Duration = Duration::from_secs(5);

/// What to do.
pub struct Order {
    pub targets: Vec<Target>,
    pub causes: Vec<Cause>,
    pub faults: usize,
    pub seed: u64,
}

/// A campaign under way.
struct Campaign {
    supervisor: Proxy<dyn Supervisor>,
    /// What the workers say.
    reports: BufReader<File>,
    workers: Vec<Child>,
    victim: Option<Child>,
}

/// Carries it out.
///
/// # Errors
/// What makes going on impossible, in one line.
pub fn run(order: &Order) -> Result<(), String> {
    let plan = Plan::new(order.seed, &order.targets, &order.causes)
        .ok_or("none of the domains can fail that way")?;
    let mut campaign = Campaign::start().map_err(|error| format!("cannot start: {error}"))?;
    campaign.wait_for_rounds(0)?;
    for fault in plan.take(order.faults) {
        time::sleep(Duration::from_nanos(fault.pause_ns));
        let target = &order.targets[fault.target];
        let outcome = campaign.inject(target, &fault)?;
        println!("{outcome}");
        io::stdout().flush().map_err(|error| error.to_string())?;
    }
    campaign.finish()
}

impl Campaign {
    fn start() -> io::Result<Self> {
        fs::create_dir(DIRECTORY)?;
        let supervisor = posix::supervisor()?;
        let (reports, reporting) = process::pipe()?;
        let workers = work::NAMES.map(|name| {
            Command::new(PROGRAM)
                .args(["--worker", name])
                .descriptor(reporting.descriptor(), 1)
                .spawn()
        });
        Ok(Self {
            supervisor,
            reports: BufReader::new(reports),
            workers: workers.into_iter().collect::<io::Result<_>>()?,
            victim: None,
        })
    }

    fn inject(&mut self, target: &Target, fault: &Fault) -> Result<Outcome, String> {
        let name = match target.kind {
            Kind::Program => victim::domain(&self.victim()?),
            Kind::Driver | Kind::Service => target.name.clone(),
        };
        let report = self.strike(&name, fault)?;
        let is_injected = report.is_some();
        let report = report.unwrap_or_default();
        let tally = self.wait_for_rounds(now_ns())?;
        if target.kind == Kind::Program && report.has_died == 1 {
            self.bury();
        }
        Ok(Outcome {
            number: fault.number,
            target: target.name.clone(),
            cause: fault.cause,
            is_injected,
            was_at_work: report.was_at_work == 1,
            death: (report.has_died == 1).then_some(report.death_cause),
            others_died: report.others_died,
            runs_again: report.runs_again == 1,
            recovery_ns: report.recovery_ns,
            leftovers: report.leftovers,
            errors: tally.errors,
            lost_bytes: tally.lost_bytes,
            pause_ns: tally.longest_ns,
        })
    }

    /// Injects a fault; `None`: the domain has no device that could fail so.
    fn strike(&self, name: &str, fault: &Fault) -> Result<Option<InjectionReport>, String> {
        let injection = Injection {
            cause: crash_cause(fault.cause),
            reserved: 0,
            within_ns: WITHIN_NS,
            seed: fault.seed,
        };
        let deadline = Instant::now().since_boot() + START_TIME;
        loop {
            match self.supervisor.inject(name, injection) {
                Ok(Ok(report)) => return Ok(Some(report)),
                Ok(Err(SupervisorError::NoSuchDevice)) => return Ok(None),
                // A victim that was just started, a domain that died of itself.
                Ok(Err(SupervisorError::NotFound)) if Instant::now().since_boot() < deadline => {
                    time::sleep(Duration::from_millis(1));
                }
                Ok(Err(error)) => {
                    let (number, cause) = (fault.number, fault.cause.name());
                    return Err(format!("fault {number}, {cause} in {name}: {error:?}"));
                }
                Err(_) => return Err("the supervisor does not answer".into()),
            }
        }
    }

    fn victim(&mut self) -> Result<Child, String> {
        if let Some(child) = self.victim {
            return Ok(child);
        }
        let child = victim::start().map_err(|error| format!("cannot start a victim: {error}"))?;
        self.victim = Some(child);
        Ok(child)
    }

    /// Collects the status of the dead victim.
    fn bury(&mut self) {
        if let Some(child) = self.victim.take() {
            // How it died is what the supervisor said.
            let _ = child.wait();
        }
    }

    /// Waits until each worker has completed a round that began after
    /// `since_ns`; what happened meanwhile.
    fn wait_for_rounds(&mut self, since_ns: u64) -> Result<Tally, String> {
        let mut tally = Tally::default();
        let mut has_come = [false; work::NAMES.len()];
        while has_come.contains(&false) {
            match self.next_report()? {
                Some(Report::Round(worker, began_ns, round)) if worker < has_come.len() => {
                    tally.add(&round);
                    has_come[worker] |= began_ns >= since_ns;
                }
                Some(report) => return Err(format!("a worker says {report:?}")),
                None => return Err("the workers have ended".into()),
            }
        }
        Ok(tally)
    }

    fn next_report(&mut self) -> Result<Option<Report>, String> {
        let mut line = String::new();
        let count = self.reports.read_line(&mut line);
        match count.map_err(|error| format!("cannot read what workers say: {error}"))? {
            0 => Ok(None),
            _ => Report::read(line.trim_end())
                .map(Some)
                .ok_or_else(|| format!("a worker says {line:?}")),
        }
    }

    /// Ends the workers and says what their files should hold.
    fn finish(mut self) -> Result<(), String> {
        fs::write(&work::stop_file(), b"").map_err(|error| format!("cannot stop: {error}"))?;
        let mut tally = Tally::default();
        while let Some(report) = self.next_report()? {
            match report {
                Report::Round(_, _, round) => tally.add(&round),
                kept @ Report::Kept(_) => print!("{}", kept.line()),
            }
        }
        for worker in &self.workers {
            let status = worker.wait().map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!("a worker ended with status {}", status.code()));
            }
        }
        if let Some(victim) = self.victim {
            // It may be dead already.
            let _ = victim.kill().and_then(|()| victim.wait());
        }
        fs::sync().map_err(|error| format!("cannot sync: {error}"))?;
        if tally.errors != 0 || tally.lost_bytes != 0 {
            return Err("something went wrong after the last fault".into());
        }
        println!("done");
        Ok(())
    }
}

fn now_ns() -> u64 {
    u64::try_from(Instant::now().since_boot().as_nanos()).unwrap_or(u64::MAX)
}
