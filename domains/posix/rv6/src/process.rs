//! One process: its descriptors, working directory, and how it is ended.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use interfaces::files::FileKind;
use interfaces::process::ProcessInfo;

use crate::descriptors::Descriptors;
use crate::device::Device;
use crate::disk::{Disk, Held};
use crate::errno::{Errno, Outcome};
use crate::open_file::{Access, Object, OpenFile};
use crate::path::{Node, Place, Resolver};
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
    is_killed: AtomicBool,
    is_interrupted: AtomicBool,
    status: AtomicU32,
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
            is_killed: AtomicBool::new(false),
            is_interrupted: AtomicBool::new(false),
            status: AtomicU32::new(0),
            command,
            command_length,
        }
    }

    /// The console, opened for reading and writing.
    #[must_use]
    pub fn open_console() -> Arc<OpenFile> {
        open_terminal(Device::Console)
    }

    /// The console's side for error messages.
    #[must_use]
    pub fn open_errors() -> Arc<OpenFile> {
        open_terminal(Device::Errors)
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
        self.directory.lock().place.clone()
    }

    /// Changes the working directory.
    pub fn set_directory(&self, directory: WorkingDirectory) {
        let before = core::mem::replace(&mut *self.directory.lock(), directory);
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

    /// Notes the status it means to exit with.
    pub fn set_status(&self, status: u32) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The status it noted last.
    #[must_use]
    pub fn status(&self) -> u32 {
        self.status.load(Ordering::SeqCst)
    }

    /// Notes that another process or the interrupt key ends it.
    pub fn note_kill(&self) {
        self.is_killed.store(true, Ordering::SeqCst);
    }

    /// Whether another process or the interrupt key ended it.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        self.is_killed.load(Ordering::SeqCst)
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
        let files = core::mem::take(&mut *self.descriptors.lock());
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
            domain: self
                .rv6
                .system()
                .domain_named(&self.domain_name)
                .unwrap_or(0),
            started_ns: self.started_ns,
            command_length: self.command_length,
            command: self.command,
        }
    }
}

/// The start of a command line, arguments separated by spaces.
fn command_line(arguments: &[u8]) -> ([u8; 60], u32) {
    let mut command = [0; 60];
    let words: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
    let joined = words.join(&b' ');
    let text = joined.trim_ascii_end();
    let length = text.len().min(command.len());
    command[..length].copy_from_slice(&text[..length]);
    (command, u32::try_from(length).unwrap_or(0))
}

fn open_terminal(device: Device) -> Arc<OpenFile> {
    let access = Access {
        can_read: true,
        can_write: true,
        appends: false,
    };
    Arc::new(OpenFile::new(Object::Device(device), access))
}
