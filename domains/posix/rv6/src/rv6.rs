//! The personality as a whole: disk, terminal, processes, their start and end.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use exchange::Proxy;
use interfaces::files::FileSystem;
use interfaces::process::{DescriptorMap, ExitStatus};
use interfaces::supervisor::Supervisor;

use crate::change::Turn;
use crate::descriptors::Descriptors;
use crate::disk::Disk;
use crate::errno::{Errno, Outcome, flatten};
use crate::image::{ImageCache, Refusal};
use crate::journal::Journal;
use crate::open_file::OpenFile;
use crate::path::{Place, Resolver};
use crate::process::{ProcessState, WorkingDirectory};
use crate::record::{self, Kind, SystemRecord};
use crate::sync::Mutex;
use crate::system::{Ended, ProgramStart, System};
use crate::table::{FIRST_PID, JOB_MAX, ProcessTable};
use crate::terminal::{Terminal, Typed};
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

/// Everything the processes share.
pub struct Rv6 {
    system: Arc<dyn System>,
    disk: Arc<Disk>,
    supervisor: Option<Proxy<dyn Supervisor>>,
    terminal: Arc<Terminal>,
    table: Arc<ProcessTable>,
    images: ImageCache,
    journal: Arc<Journal>,
    /// Held by whoever changes files in a way that cannot be repeated.
    changes: Mutex<()>,
    /// Process that the interrupt key ends; 0: none.
    foreground: AtomicU32,
    /// The interrupt key was pressed while there was none.
    interrupts: AtomicU32,
    started_s: u64,
}

/// What [`Rv6::spawn`] starts.
pub struct SpawnRequest<'a> {
    /// The program's file.
    pub path: &'a [u8],
    /// Arguments, each ended by a zero byte.
    pub arguments: &'a [u8],
    /// Environment, each string ended by a zero byte.
    pub environment: &'a [u8],
}

impl Rv6 {
    /// A personality without processes, whose state is kept nowhere.
    #[must_use]
    pub fn new(
        system: Arc<dyn System>,
        files: Box<dyn FileSystem + Send + Sync>,
        supervisor: Option<Proxy<dyn Supervisor>>,
        is_interactive: bool,
    ) -> Self {
        let journal = Arc::new(Journal::none(Arc::clone(&system)));
        let started_s = system.wall_clock_ns() / 1_000_000_000;
        Self::with_journal(
            system,
            files,
            supervisor,
            is_interactive,
            journal,
            started_s,
        )
    }

    pub(crate) fn with_journal(
        system: Arc<dyn System>,
        files: Box<dyn FileSystem + Send + Sync>,
        supervisor: Option<Proxy<dyn Supervisor>>,
        is_interactive: bool,
        journal: Arc<Journal>,
        started_s: u64,
    ) -> Self {
        let terminal = Terminal::new(Arc::clone(&system), Arc::clone(&journal), is_interactive);
        Self {
            terminal: Arc::new(terminal),
            started_s,
            system,
            disk: Arc::new(Disk::new(files, Arc::clone(&journal))),
            supervisor,
            table: Arc::new(ProcessTable::new(Arc::clone(&journal))),
            images: ImageCache::default(),
            journal,
            changes: Mutex::default(),
            foreground: AtomicU32::new(0),
            interrupts: AtomicU32::new(0),
        }
    }

    /// Where what must outlive Rv6 is written down.
    #[must_use]
    pub const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Waits for the turn to change files in a way that cannot be repeated.
    pub(crate) fn take_turn(&self) -> Turn<'_> {
        Turn::new(self, self.changes.lock())
    }

    /// Writes down what there is once.
    pub(crate) fn keep(&self) {
        let record = SystemRecord {
            started_s: self.started_s,
            foreground: self.foreground.load(Ordering::SeqCst),
        };
        self.journal
            .commit(|change| change.put(record::key(Kind::System, 0), &record.encode()));
    }

    /// What lies below.
    #[must_use]
    pub fn system(&self) -> &dyn System {
        &*self.system
    }

    /// The root file system.
    #[must_use]
    pub const fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// The supervisor, if Rv6 was given it.
    #[must_use]
    pub const fn supervisor(&self) -> Option<&Proxy<dyn Supervisor>> {
        self.supervisor.as_ref()
    }

    /// The terminal.
    #[must_use]
    pub const fn terminal(&self) -> &Arc<Terminal> {
        &self.terminal
    }

    /// The processes.
    #[must_use]
    pub const fn table(&self) -> &Arc<ProcessTable> {
        &self.table
    }

    pub(crate) const fn images(&self) -> &ImageCache {
        &self.images
    }

    /// When the system was started, seconds since 1970 UTC.
    #[must_use]
    pub const fn started_s(&self) -> u64 {
        self.started_s
    }

    /// Makes `pid` the process that the interrupt key ends, also if the key was
    /// pressed while it was being started.
    pub fn set_foreground(&self, pid: u32) {
        self.restore_foreground(pid);
        self.keep();
        self.deliver_interrupt();
    }

    pub(crate) fn restore_foreground(&self, pid: u32) {
        self.foreground.store(pid, Ordering::SeqCst);
    }

    /// Whether the interrupt key was pressed, with nothing to end, since this
    /// was last asked.
    pub fn take_interrupt(&self) -> bool {
        self.interrupts.swap(0, Ordering::SeqCst) != 0
    }

    /// Passes console input to the terminal until there is no more.
    pub fn feed_terminal(&self) {
        let mut bytes = [0; 256];
        loop {
            let count = self.system.console_read(&mut bytes);
            if count == 0 {
                self.terminal.end_input();
                return;
            }
            if self.terminal.input(&bytes[..count]) == Typed::Interrupt {
                self.interrupt();
            }
        }
    }

    pub(crate) fn interrupt(&self) {
        self.interrupts.store(1, Ordering::SeqCst);
        self.deliver_interrupt();
    }

    /// Ends what the interrupt key is meant for, if it was pressed and there is
    /// such a process. Whoever comes second, key or process, does it.
    fn deliver_interrupt(&self) {
        let foreground = self.foreground.load(Ordering::SeqCst);
        if foreground <= FIRST_PID {
            return;
        }
        let family = self.table.family(foreground);
        if family.is_empty() || !self.take_interrupt() {
            return;
        }
        for process in family {
            process.note_interrupt();
            self.end_process(&process, cause::KILLED);
        }
    }

    /// Begins the end of a process.
    ///
    /// # Errors
    /// `ESRCH`; `EPERM` for the first process.
    pub fn kill(&self, pid: u32) -> Outcome<()> {
        if pid == FIRST_PID {
            return Err(Errno::EPERM);
        }
        match self.table.running(pid) {
            Some(process) => self.end_process(&process, cause::KILLED),
            // It has ended, but its parent has not asked how yet.
            None if self.table.exists(pid) => {}
            None => return Err(Errno::ESRCH),
        }
        Ok(())
    }

    fn end_process(&self, process: &ProcessState, cause: u32) {
        process.note_kill();
        self.table.keep(process.number());
        process.blocked().kill();
        // It may be about to get its domain; if it never does, it has ended.
        for _ in 0..KILL_ATTEMPTS {
            let domain = process.domain();
            if domain != 0 {
                return self.system.kill(domain, cause);
            }
            if self.table.running(process.number()).is_none() {
                return;
            }
            process
                .bed()
                .sleep_until(self.system.clock_ns() + KILL_RETRY_NS, &NEVER);
        }
    }

    /// Starts the first process, with the root as its working directory and the
    /// console as its standard descriptors.
    ///
    /// # Errors
    /// Why its program cannot be started.
    pub fn start_first(self: &Arc<Self>, request: &SpawnRequest<'_>) -> Result<u32, Refusal> {
        let root = Resolver::new(&self.disk)?.root();
        let console = ProcessState::open_console();
        let mut descriptors = Descriptors::new();
        descriptors.set(0, Arc::clone(&console))?;
        descriptors.set(1, console)?;
        descriptors.set(2, ProcessState::open_errors())?;
        self.start(None, root, descriptors, request)
    }

    /// Starts a program for `parent`; its process number.
    ///
    /// # Errors
    /// As `posix_spawn`.
    pub fn spawn(
        self: &Arc<Self>,
        parent: &ProcessState,
        request: &SpawnRequest<'_>,
        maps: &[DescriptorMap],
    ) -> Outcome<u32> {
        let descriptors = parent.descriptors().lock().inherit(maps)?;
        let errors = descriptors.get(2).ok();
        self.start(Some(parent), parent.place(), descriptors, request)
            .map_err(|refusal| {
                if let Some(message) = refusal.message {
                    let path = String::from_utf8_lossy(request.path);
                    self.complain(
                        parent,
                        errors.as_deref(),
                        &format!("{path}: refused: {message}"),
                    );
                }
                refusal.errno
            })
    }

    /// Says in the log, and where the new process would write its errors, why
    /// there is none.
    fn complain(&self, parent: &ProcessState, errors: Option<&OpenFile>, line: &str) {
        self.system.log(line);
        if let Some(file) = errors {
            // Who closed its error output wants no message.
            parent.uncounted(|| {
                let _ = file.write(parent, format!("rv6: {line}\n").as_bytes(), 0);
            });
        }
    }

    fn start(
        self: &Arc<Self>,
        caller: Option<&ProcessState>,
        directory: Place,
        descriptors: Descriptors<OpenFile>,
        request: &SpawnRequest<'_>,
    ) -> Result<u32, Refusal> {
        let parent = caller.map_or(0, ProcessState::number);
        if let Some(job) = self.table.end_full_job(parent) {
            self.end_job(parent, job);
            return Err(Errno::EINTR.into());
        }
        let program = self.find_program(&directory, request.path)?;
        let start = ProgramStart {
            arguments: with_prefix(&program.prefix, request.arguments),
            environment: request.environment.to_vec(),
        };
        let directory = WorkingDirectory::hold(&self.disk, directory)?;
        let process = self.table.add(parent, |pid| {
            let rv6 = Arc::clone(self);
            let name = domain_name(request.path, pid);
            Arc::new(ProcessState::new(
                rv6,
                pid,
                name,
                descriptors,
                directory,
                &start.arguments,
            ))
        })?;
        let pid = process.number();
        if process.was_killed() {
            self.table.set_domain(&process, NO_DOMAIN, caller);
            self.finish(&process, &Ended::Died(cause::KILLED));
            return Ok(pid);
        }
        match self.system.start(&program.image, &process, &start) {
            Ok(domain) => self.note_start(&process, domain, caller),
            Err(reason) => {
                self.table.set_domain(&process, NO_DOMAIN, caller);
                self.finish(&process, &Ended::NotStarted(reason));
            }
        }
        Ok(pid)
    }

    /// Notes that a process has its domain.
    fn note_start(&self, process: &Arc<ProcessState>, domain: u64, parent: Option<&ProcessState>) {
        self.table.set_domain(process, domain, parent);
        if process.was_killed() {
            self.system.kill(domain, cause::KILLED);
        }
        // Its end may have been reported before it was known here.
        if let Some(ended) = self.system.end_of(domain) {
            self.finish(process, &ended);
        }
    }

    /// Sees to the ends of processes. Never returns.
    pub fn watch_ends(&self) -> ! {
        let mut after = 0;
        loop {
            let end = self.system.next_end(after);
            let has_gap = end.number != after + 1;
            after = end.number;
            if let Some(process) = self.table.of_domain(end.domain) {
                self.finish(&process, &end.ended);
            }
            if has_gap {
                self.look_for_ends();
            }
        }
    }

    /// Sees to the ends of processes that nobody reported.
    pub(crate) fn look_for_ends(&self) {
        for process in self.table.all_running() {
            let domain = process.domain();
            if domain != 0
                && let Some(ended) = self.system.end_of(domain)
            {
                self.finish(&process, &ended);
            }
        }
    }

    /// Ends a job that has too many processes. On a thread that goes first: the
    /// job may have left nothing of the CPUs.
    fn end_job(self: &Arc<Self>, parent: u32, job: Vec<Arc<ProcessState>>) {
        if let Some(parent) = self.table.running(parent) {
            let name = parent.domain_name();
            self.system.log(&format!(
                "{name}: its job has {JOB_MAX} processes and is ended"
            ));
        }
        let rv6 = Arc::clone(self);
        let work = Box::new(move || rv6.end_all(job, cause::PROCESS_LIMIT));
        if !self.system.spawn_urgent("end of job", work) {
            self.system.log("no thread to end it");
        }
    }

    /// Ends processes, which are noted as killed, all at once.
    fn end_all(&self, mut processes: Vec<Arc<ProcessState>>, cause: u32) {
        for attempt in 0..KILL_ATTEMPTS {
            for process in &processes {
                let domain = process.domain();
                if domain != 0 {
                    self.system.kill(domain, cause);
                }
                if attempt == 0 {
                    process.blocked().kill();
                }
            }
            // Some had no domain yet.
            let pause = Bed::default();
            pause.sleep_until(self.system.clock_ns() + KILL_RETRY_NS, &NEVER);
            processes.retain(|process| self.table.running(process.number()).is_some());
            if processes.is_empty() {
                return;
            }
        }
    }

    fn finish(&self, process: &Arc<ProcessState>, ended: &Ended) {
        if process.note_end() {
            return;
        }
        let (status, cause) = match ended {
            Ended::Exited(status) => (status.unsigned_abs() & 0xff, 0),
            Ended::Died(_) if process.is_interrupted() => (STATUS_INTERRUPTED, cause::KILLED),
            Ended::Died(cause) => (status_of_cause(*cause), *cause),
            Ended::NotStarted(reason) => {
                self.system
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
        let _ = self
            .foreground
            .compare_exchange(pid, 0, Ordering::SeqCst, Ordering::SeqCst);
        self.table.end(ExitStatus { pid, status, cause });
    }

    /// Lets processes go that somebody else ends while they are blocked here: a
    /// dying domain waits for its thread to come back. Never returns.
    pub fn release_dying(&self) -> ! {
        let bed = Bed::default();
        loop {
            bed.sleep_until(self.system.clock_ns() + WATCH_NS, &NEVER);
            for domain in self.system.dying_domains() {
                if let Some(process) = self.table.of_domain(domain) {
                    process.blocked().kill();
                }
            }
            self.journal.look();
        }
    }

    /// Ends every process but the first and makes the disk clean.
    ///
    /// # Errors
    /// As the file system, asked to sync.
    pub fn shut_down(&self) -> Outcome<()> {
        for process in self.table.family(FIRST_PID) {
            if process.number() != FIRST_PID {
                self.end_process(&process, cause::KILLED);
            }
        }
        if !self.table.wait_alone(self.system.clock_ns() + SHUTDOWN_NS) {
            self.system
                .log("shutdown: some processes did not end in time");
        }
        flatten(self.disk.files().sync())
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
}

/// The exit status a shell shows for a death: 128 and the number of the signal
/// by which Unix ends a process for that reason.
#[must_use]
pub const fn status_of_cause(cause: u32) -> u32 {
    128 + match cause {
        cause::PANIC => 6,
        cause::PAGE_FAULT | cause::STACK_OVERFLOW | cause::PROTECTION => 11,
        cause::INVALID_OPCODE => 4,
        cause::DIVIDE_ERROR => 8,
        _ => 9,
    }
}

/// The name of a process's domain: the last component of its program's path,
/// cut to what the kernel keeps of a name, and the process number.
fn domain_name(path: &[u8], pid: u32) -> String {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let name = &name[..name.len().min(PROGRAM_NAME_MAX)];
    format!("{}.{pid}", String::from_utf8_lossy(name))
}

/// Bytes of a program's name in the name of its domain, which has at most 31.
const PROGRAM_NAME_MAX: usize = 16;

/// A script's arguments: its interpreter's words replace the first.
fn with_prefix(prefix: &[Vec<u8>], arguments: &[u8]) -> Vec<u8> {
    if prefix.is_empty() {
        return arguments.to_vec();
    }
    let mut all = Vec::new();
    for word in prefix {
        all.extend_from_slice(word);
        all.push(0);
    }
    let first = arguments
        .iter()
        .position(|byte| *byte == 0)
        .map_or(arguments.len(), |at| at + 1);
    all.extend_from_slice(&arguments[first..]);
    all
}
