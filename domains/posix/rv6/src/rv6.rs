//! The personality as a whole: what its processes share, and the interrupt key.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use exchange::Proxy;
use interfaces::files::FileSystem;
use interfaces::supervisor::Supervisor;

use crate::budget::Budget;
use crate::change::Turn;
use crate::disk::Disk;
use crate::ends::cause;
use crate::errno::Outcome;
use crate::image::ImageCache;
use crate::journal::{Change, Journal};
use crate::lanes::Call;
use crate::process::ProcessState;
use crate::record::{self, Kind, SystemRecord};
use crate::sync::Mutex;
use crate::system::System;
use crate::table::{FIRST_PID, ProcessTable};
use crate::terminal::{Terminal, Typed};

/// The supervisor, once for each kind of process.
pub struct Supervision {
    /// For those that may administer the system.
    pub administrator: Proxy<dyn Supervisor>,
    /// For all others.
    pub observer: Proxy<dyn Supervisor>,
}

/// Everything the processes share.
pub struct Rv6 {
    system: Arc<dyn System>,
    disk: Arc<Disk>,
    supervision: Option<Supervision>,
    terminal: Arc<Terminal>,
    table: Arc<ProcessTable>,
    images: ImageCache,
    budget: Budget,
    journal: Arc<Journal>,
    /// Held by whoever changes files in a way that cannot be repeated.
    changes: Mutex<()>,
    /// Process that the interrupt key ends; 0: none.
    foreground: AtomicU32,
    /// The interrupt key was pressed while there was none.
    interrupts: AtomicU32,
    started_s: u64,
}

impl Rv6 {
    /// A personality without processes, whose state is kept nowhere.
    #[must_use]
    pub fn new(
        system: Arc<dyn System>,
        files: Box<dyn FileSystem + Send + Sync>,
        supervision: Option<Supervision>,
        is_interactive: bool,
    ) -> Self {
        let journal = Arc::new(Journal::none(Arc::clone(&system)));
        let started_s = system.wall_clock_ns() / 1_000_000_000;
        Self::with_journal(
            system,
            files,
            supervision,
            is_interactive,
            journal,
            started_s,
        )
    }

    pub(crate) fn with_journal(
        system: Arc<dyn System>,
        files: Box<dyn FileSystem + Send + Sync>,
        supervision: Option<Supervision>,
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
            supervision,
            table: Arc::new(ProcessTable::new(Arc::clone(&journal))),
            images: ImageCache::default(),
            budget: Budget::default(),
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
        self.journal.commit(|change| self.record(change));
    }

    /// Writes it down as it is now: inside the journal, so the last one is right.
    fn record(&self, change: &mut Change) {
        let record = SystemRecord {
            started_s: self.started_s,
            foreground: self.foreground.load(Ordering::SeqCst),
            is_interrupted: self.interrupts.load(Ordering::SeqCst) != 0,
        };
        change.put(record::key(Kind::System, 0), &record.encode());
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

    /// The supervisor, if Rv6 was given it, for a process that `may_administer` the
    /// system or may not.
    #[must_use]
    pub fn supervisor(&self, may_administer: bool) -> Option<&Proxy<dyn Supervisor>> {
        let supervision = self.supervision.as_ref();
        supervision.map(|both| match may_administer {
            true => &both.administrator,
            false => &both.observer,
        })
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

    /// What processes may take of Rv6's memory.
    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) const fn images(&self) -> &ImageCache {
        &self.images
    }

    /// When the system was started, seconds since 1970 UTC.
    #[must_use]
    pub const fn started_s(&self) -> i64 {
        self.started_s.cast_signed()
    }

    /// Makes `pid` the process that the interrupt key ends, also if the key was
    /// pressed while it was being started.
    ///
    /// # Errors
    /// `EPERM` for one that the caller may not end.
    pub fn set_foreground(&self, by: &ProcessState, pid: u32) -> Outcome<()> {
        self.check_may_end(by, pid)?;
        self.foreground.store(pid, Ordering::SeqCst);
        self.keep();
        self.deliver_interrupt();
        Ok(())
    }

    /// Goes on where a predecessor was.
    pub(crate) fn restore(&self, record: &SystemRecord) {
        self.foreground.store(record.foreground, Ordering::SeqCst);
        let interrupts = u32::from(record.is_interrupted);
        self.interrupts.store(interrupts, Ordering::SeqCst);
    }

    /// Notes that a process that has ended is not the one that the key ends.
    pub(crate) fn leave_foreground(&self, pid: u32) {
        let _ = self
            .foreground
            .compare_exchange(pid, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Whether the interrupt key was pressed, with nothing to end, since this
    /// was last asked.
    pub(crate) fn take_interrupt(&self, call: &Call<'_>) -> bool {
        let was_pressed = self.interrupts.swap(0, Ordering::SeqCst) != 0;
        if was_pressed {
            call.commit([1, 0], |change| self.record(change));
        }
        was_pressed
    }

    /// Passes console input to the terminal until there is no more.
    pub fn feed_terminal(&self) {
        let mut bytes = [0; 256];
        loop {
            let mut position = self.terminal.taken();
            let count = self.system.console_read(&mut position, &mut bytes);
            if count == 0 {
                self.terminal.end_input();
                return;
            }
            self.take_input(position, &bytes[..count]);
        }
    }

    /// Takes input that the console gave from `position` on.
    pub(crate) fn take_input(&self, position: u64, bytes: &[u8]) {
        let pressed = || {
            self.interrupts.store(1, Ordering::SeqCst);
            |change: &mut Change| self.record(change)
        };
        if self.terminal.input(position, bytes, pressed) == Typed::Interrupt {
            self.deliver_interrupt();
        }
    }

    /// Ends what the interrupt key is meant for, if it was pressed and there is
    /// such a process. Whoever comes second, key or process, does it.
    pub(crate) fn deliver_interrupt(&self) {
        let foreground = self.foreground.load(Ordering::SeqCst);
        if foreground <= FIRST_PID {
            return;
        }
        let family = self.table.family(foreground);
        if family.is_empty() || self.interrupts.swap(0, Ordering::SeqCst) == 0 {
            return;
        }
        for process in &family {
            process.note_interrupt();
        }
        let note = |change: &mut Change| self.record(change);
        self.table.note_kills(&family, cause::KILLED, note);
        for process in family {
            self.end_process(&process, cause::KILLED);
        }
    }
}
