//! One process: its descriptors, working directory, and how it is ended.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use interfaces::files::FileKind;
use interfaces::process::ProcessInfo;

use crate::descriptors::Descriptors;
use crate::device::Device;
use crate::disk::{Disk, Held};
use crate::errno::{Errno, Outcome};
use crate::journal::{Change, Journal};
use crate::lanes::{Call, Lanes};
use crate::open_file::{Access, Object, OpenFile};
use crate::path::{Node, Place, Resolver};
use crate::record::{self, Kind, ProcessRecord};
use crate::rv6::Rv6;
use crate::sync::Mutex;
use crate::wake::{Bed, Blocked};

/// A process. Its domain calls it through the interface `Process`.
pub struct ProcessState {
    rv6: Arc<Rv6>,
    pid: u32,
    descriptors: Mutex<Descriptors<OpenFile>>,
    directory: Mutex<WorkingDirectory>,
    blocked: Blocked,
    bed: Arc<Bed>,
    /// Name of its domain, no other process's.
    domain_name: String,
    /// Its domain; 0 while it is being started.
    domain: AtomicU64,
    /// Whether it may administer the system.
    may_administer: bool,
    /// Why it is ended; 0: it is not.
    kill: AtomicU32,
    is_interrupted: AtomicBool,
    has_finished: AtomicBool,
    lanes: Lanes,
    started_ns: u64,
    command: [u8; 60],
    command_length: u32,
}

/// Where relative paths start.
pub struct WorkingDirectory {
    place: Place,
    /// Keeps the inode even when the directory is removed.
    _held: Option<Held>,
}

impl WorkingDirectory {
    /// Keeps a directory's inode.
    ///
    /// # Errors
    /// `ENOTDIR`, or as the file system.
    pub fn hold(disk: &Arc<Disk>, place: Place) -> Outcome<Self> {
        if place.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let held = match place.node {
            Node::Disk(inode) => Some(disk.hold(inode)?),
            Node::Devices | Node::Device(_) => None,
        };
        Ok(Self { place, _held: held })
    }

    /// A predecessor's.
    ///
    /// # Errors
    /// As the file system.
    pub fn hold_again(disk: &Arc<Disk>, place: Place) -> Outcome<Self> {
        let held = match place.node {
            Node::Disk(inode) => Some(disk.hold_again(inode)?),
            Node::Devices | Node::Device(_) => None,
        };
        Ok(Self { place, _held: held })
    }
}

impl ProcessState {
    /// A process that has not started.
    #[must_use]
    pub fn new(
        rv6: Arc<Rv6>,
        pid: u32,
        domain_name: String,
        descriptors: Descriptors<OpenFile>,
        directory: WorkingDirectory,
        arguments: &[u8],
        may_administer: bool,
    ) -> Self {
        let (command, command_length) = command_line(arguments);
        Self {
            started_ns: rv6.system().clock_ns(),
            rv6,
            pid,
            descriptors: Mutex::new(descriptors),
            directory: Mutex::new(directory),
            blocked: Blocked::default(),
            bed: Arc::default(),
            domain_name,
            domain: AtomicU64::new(0),
            may_administer,
            kill: AtomicU32::new(0),
            is_interrupted: AtomicBool::new(false),
            has_finished: AtomicBool::new(false),
            lanes: Lanes::default(),
            command,
            command_length,
        }
    }

    /// A predecessor's process.
    #[must_use]
    pub fn revived(
        rv6: Arc<Rv6>,
        pid: u32,
        record: &ProcessRecord,
        descriptors: Descriptors<OpenFile>,
        directory: WorkingDirectory,
        lanes: Lanes,
    ) -> Self {
        let (command, command_length) = command_line(&record.command);
        Self {
            rv6,
            pid,
            descriptors: Mutex::new(descriptors),
            directory: Mutex::new(directory),
            blocked: Blocked::default(),
            bed: Arc::default(),
            domain_name: record.name.clone(),
            domain: AtomicU64::new(record.domain),
            may_administer: record.may_administer,
            kill: AtomicU32::new(record.kill),
            is_interrupted: AtomicBool::new(record.is_interrupted),
            has_finished: AtomicBool::new(record.ended.is_some()),
            lanes,
            started_ns: record.started_ns,
            command,
            command_length,
        }
    }

    /// What is written down of it, but for what the table knows.
    #[must_use]
    pub fn record(&self) -> ProcessRecord {
        let length = usize::try_from(self.command_length).unwrap_or(0);
        ProcessRecord {
            parent: 0,
            lane: 0,
            job: 0,
            is_adopted: false,
            may_administer: self.may_administer,
            kill: self.kill_cause(),
            is_interrupted: self.is_interrupted(),
            ended: None,
            domain: self.domain(),
            started_ns: self.started_ns,
            name: self.domain_name.clone(),
            command: self.command.get(..length).unwrap_or(&[]).to_vec(),
        }
    }

    /// Writes down what a new process has, but for what the table knows.
    pub(crate) fn record_start(&self, change: &mut Change) {
        let pid = u64::from(self.pid);
        let directory = self.directory.lock();
        let place = record::encode_place(&directory.place);
        change.put(record::key(Kind::Directory, pid), &place);
        let descriptors = self.descriptors.lock();
        self.record_descriptors(&descriptors, change);
        self.lanes.record(self.pid, change);
    }

    /// Forgets all that is written down of it.
    pub(crate) fn forget(&self, change: &mut Change) {
        for kind in [Kind::Process, Kind::Directory, Kind::Descriptors] {
            change.forget(record::key(kind, u64::from(self.pid)));
        }
        self.lanes.forget(self.pid, change);
    }

    /// Writes down the files it has open.
    pub(crate) fn record_files(&self, journal: &Arc<Journal>, change: &mut Change) {
        for (_, file) in self.descriptors.lock().iter() {
            file.record(journal, change);
        }
    }

    /// Writes down its descriptors.
    pub(crate) fn record_descriptors(
        &self,
        descriptors: &Descriptors<OpenFile>,
        change: &mut Change,
    ) {
        let numbers = descriptors.iter();
        let numbers = numbers.map(|(descriptor, file)| (descriptor, file.number()));
        let key = record::key(Kind::Descriptors, u64::from(self.pid));
        change.put(key, &record::encode_descriptors(numbers));
    }

    /// Its calls that may not be made twice.
    pub(crate) const fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Whether it may administer the system.
    #[must_use]
    pub const fn may_administer(&self) -> bool {
        self.may_administer
    }

    /// Its domain; 0 while it is being started.
    #[must_use]
    pub fn domain(&self) -> u64 {
        self.domain.load(Ordering::SeqCst)
    }

    /// Notes which domain it has.
    pub fn set_domain(&self, domain: u64) {
        self.domain.store(domain, Ordering::SeqCst);
    }

    /// Notes that it has ended; whether that was known.
    pub(crate) fn note_end(&self) -> bool {
        self.has_finished.swap(true, Ordering::SeqCst)
    }

    /// The console, opened for reading and writing.
    #[must_use]
    pub fn open_console(rv6: &Rv6) -> Arc<OpenFile> {
        open_terminal(rv6, Device::Console)
    }

    /// The console's side for error messages.
    #[must_use]
    pub fn open_errors(rv6: &Rv6) -> Arc<OpenFile> {
        open_terminal(rv6, Device::Errors)
    }

    /// The personality it lives in.
    #[must_use]
    pub const fn rv6(&self) -> &Arc<Rv6> {
        &self.rv6
    }

    /// Its process number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.pid
    }

    /// Its descriptors.
    #[must_use]
    pub const fn descriptors(&self) -> &Mutex<Descriptors<OpenFile>> {
        &self.descriptors
    }

    /// Where it may be blocked.
    #[must_use]
    pub const fn blocked(&self) -> &Blocked {
        &self.blocked
    }

    /// Where it sleeps.
    #[must_use]
    pub const fn bed(&self) -> &Arc<Bed> {
        &self.bed
    }

    /// Its working directory.
    #[must_use]
    pub fn place(&self) -> Place {
        self.directory.lock().place
    }

    /// Changes the working directory, which is what `call` was made for.
    pub fn set_directory(&self, call: &Call<'_>, directory: WorkingDirectory) {
        let mut current = self.directory.lock();
        let place = record::encode_place(&directory.place);
        let before = core::mem::replace(&mut *current, directory);
        call.commit([0, 0], |change| {
            let key = record::key(Kind::Directory, u64::from(self.pid));
            change.put(key, &place);
        });
        drop(current);
        drop(before);
    }

    /// The open file a descriptor refers to.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn file(&self, descriptor: u32) -> Outcome<Arc<OpenFile>> {
        self.descriptors.lock().get(descriptor)
    }

    /// A resolver and where relative paths start.
    ///
    /// # Errors
    /// As the file system.
    pub fn resolver(&self) -> Outcome<(Resolver<'_>, Place)> {
        Ok((Resolver::new(self.rv6.disk())?, self.place()))
    }

    /// The name of its domain.
    #[must_use]
    pub fn domain_name(&self) -> &str {
        &self.domain_name
    }

    /// Notes that it is ended, for the cause with this number unless there is one.
    pub fn note_kill(&self, cause: u32) {
        let _ = self
            .kill
            .compare_exchange(0, cause, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The cause for which it is ended; 0: it is not.
    #[must_use]
    pub fn kill_cause(&self) -> u32 {
        self.kill.load(Ordering::SeqCst)
    }

    /// Whether another process or the interrupt key ended it.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        self.kill_cause() != 0
    }

    /// Notes that the interrupt key ends it.
    pub fn note_interrupt(&self) {
        self.is_interrupted.store(true, Ordering::SeqCst);
    }

    /// Whether the interrupt key ended it.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::SeqCst)
    }

    /// Closes every descriptor, at its end.
    pub fn close_all(&self) {
        let mut descriptors = self.descriptors.lock();
        let files = core::mem::take(&mut *descriptors);
        // Before files are forgotten that they refer to.
        let key = record::key(Kind::Descriptors, u64::from(self.pid));
        self.rv6.journal().commit(|change| change.forget(key));
        drop(descriptors);
        drop(files);
    }

    /// What `ps` shows.
    #[must_use]
    pub fn info(&self, parent: u32, has_ended: bool) -> ProcessInfo {
        ProcessInfo {
            pid: self.pid,
            parent,
            state: if has_ended { 2 } else { 1 },
            descriptors: u32::try_from(self.descriptors.lock().count()).unwrap_or(u32::MAX),
            domain: if has_ended { 0 } else { self.domain() },
            started_ns: self.started_ns,
            command_length: self.command_length,
            command: self.command,
        }
    }
}

/// The start of a command line, arguments separated by spaces.
fn command_line(arguments: &[u8]) -> ([u8; 60], u32) {
    let mut command = [0; 60];
    let arguments = arguments.strip_suffix(&[0]).unwrap_or(arguments);
    let length = arguments.len().min(command.len());
    for (place, byte) in command.iter_mut().zip(arguments) {
        *place = if *byte == 0 { b' ' } else { *byte };
    }
    let length = command[..length].trim_ascii_end().len();
    (command, u32::try_from(length).unwrap_or(0))
}

fn open_terminal(rv6: &Rv6, device: Device) -> Arc<OpenFile> {
    let access = Access {
        can_read: true,
        can_write: true,
        appends: false,
    };
    let counted = rv6.budget().files.take_another();
    Arc::new(OpenFile::new(Object::Device(device), access, counted))
}
