//! Open files: what descriptors refer to, shared by all their duplicates.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use interfaces::files::{Appended, Attributes, DirectoryEntry, FileKind, Inode};
use interfaces::process::Whence;

use crate::budget::Counted;
use crate::change;
use crate::device::{self, Device};
use crate::disk::{Disk, Held};
use crate::errno::{Errno, Outcome, flatten_open};
use crate::journal::{Change, Journal};
use crate::lanes::Call;
use crate::path::{Node, Place, Resolver};
use crate::pipe::Pipe;
use crate::process::ProcessState;
use crate::record::{self, Action, Kind, OpenObject, OpenRecord};
use crate::sync::Mutex;
use crate::system::System;

/// What was opened.
pub enum Object {
    /// A file with bytes on the disk.
    File(Held),
    /// A directory; what keeps its inode, when it is on the disk.
    Directory(Place, Option<Held>),
    /// A device.
    Device(Device),
    /// The reading end of a pipe.
    PipeReader(Arc<Pipe>),
    /// The writing end of a pipe.
    PipeWriter(Arc<Pipe>),
}

/// What may be done through an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Reading.
    pub can_read: bool,
    /// Writing.
    pub can_write: bool,
    /// Every write goes to the end.
    pub appends: bool,
}

/// An open file.
pub struct OpenFile {
    /// No other open file's.
    number: u64,
    object: Object,
    access: Access,
    /// Where the next read or write happens; in a directory, a cookie.
    offset: Mutex<u64>,
    /// Where it is written down, once it is.
    journal: Mutex<Option<Arc<Journal>>>,
    _counted: Counted,
}

static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

/// Most random bytes that one call makes.
const RANDOM_MAX: usize = 64 << 10;

/// Cookie behind the last entry of the root directory, `/dev` included.
const COOKIE_END: u64 = u64::MAX;

impl OpenFile {
    /// Opens `object` at its beginning.
    #[must_use]
    pub fn new(object: Object, access: Access, counted: Counted) -> Self {
        Self {
            number: NEXT_FILE.fetch_add(1, Ordering::Relaxed),
            object,
            access,
            offset: Mutex::new(0),
            journal: Mutex::default(),
            _counted: counted,
        }
    }

    /// A predecessor's open file.
    #[must_use]
    pub fn revived(
        number: u64,
        object: Object,
        access: Access,
        offset: u64,
        journal: Arc<Journal>,
        counted: Counted,
    ) -> Self {
        NEXT_FILE.fetch_max(number + 1, Ordering::Relaxed);
        Self {
            number,
            object,
            access,
            offset: Mutex::new(offset),
            journal: Mutex::new(Some(journal)),
            _counted: counted,
        }
    }

    /// Its number, no other open file's.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Writes down that it is open, at its beginning.
    pub fn record(&self, journal: &Arc<Journal>, change: &mut Change) {
        let object = match &self.object {
            Object::File(held) => OpenObject::File(held.inode()),
            Object::Directory(place, _) => OpenObject::Directory(*place),
            Object::Device(device) => OpenObject::Device(*device),
            Object::PipeReader(pipe) => OpenObject::PipeReader(pipe.number()),
            Object::PipeWriter(pipe) => OpenObject::PipeWriter(pipe.number()),
        };
        let access = self.access;
        let record = OpenRecord { object, access };
        change.put(record::key(Kind::Open, self.number), &record.encode());
        *self.journal.lock() = Some(Arc::clone(journal));
    }

    /// Notes that a call of a process moved the offset.
    fn commit(&self, call: &Call<'_>, value: u64, offset: u64) {
        call.commit([value, 0], |change| {
            let key = record::key(Kind::Offset, self.number);
            change.put(key, &offset.to_le_bytes());
        });
    }

    /// Reads at the offset and moves it.
    ///
    /// # Errors
    /// As `read` of POSIX.
    pub fn read(&self, call: &Call<'_>, into: &mut [u8]) -> Outcome<u64> {
        self.check_readable()?;
        let Object::File(held) = &self.object else {
            return self.read_stream(call, into);
        };
        let mut offset = self.offset.lock();
        let count = held.read(*offset, into)?;
        *offset += count;
        if count > 0 {
            self.commit(call, count, *offset);
        }
        Ok(count)
    }

    /// Reads at `offset`.
    ///
    /// # Errors
    /// As `pread` of POSIX.
    pub fn read_at(&self, process: &ProcessState, into: &mut [u8], offset: u64) -> Outcome<u64> {
        self.check_readable()?;
        match &self.object {
            Object::File(held) => held.read(offset, into),
            Object::Device(Device::Console | Device::Errors)
            | Object::PipeReader(_)
            | Object::PipeWriter(_) => Err(Errno::ESPIPE),
            Object::Device(device) => read_device(process.rv6().system(), *device, into),
            Object::Directory(..) => Err(Errno::EISDIR),
        }
    }

    /// Writes at the offset and moves it. Of what goes to a pipe, `done` bytes have
    /// been written already.
    ///
    /// # Errors
    /// As `write` of POSIX.
    pub fn write(&self, call: &Call<'_>, from: &[u8], done: usize) -> Outcome<u64> {
        self.check_writable()?;
        let Object::File(held) = &self.object else {
            return self.write_stream(call, from, done);
        };
        let mut offset = self.offset.lock();
        if self.access.appends {
            let appended = self.append(call, held, from)?;
            *offset = appended.end;
            return Ok(appended.bytes);
        }
        let count = held.write(*offset, from)?;
        *offset += count;
        if count > 0 {
            self.commit(call, count, *offset);
        }
        Ok(count)
    }

    fn append(&self, call: &Call<'_>, held: &Held, from: &[u8]) -> Outcome<Appended> {
        let turn = call.rv6().take_turn();
        let inode = held.inode();
        let size = held.attributes()?.size;
        let length = from.len() as u64;
        let action = Action::Append {
            file: self.number,
            inode,
            size,
            length,
        };
        if !from.is_empty() && call.rv6().journal().is_kept() {
            turn.intend(call, &action);
        }
        let answer = held.append(&action, from).and_then(|known| match known {
            Some(appended) => Ok(appended),
            None => change::appended(call.rv6().disk(), inode, size, length),
        });
        match answer {
            Ok(Appended { bytes, end }) if bytes > 0 => call.commit([bytes, 0], |change| {
                let key = record::key(Kind::Offset, self.number);
                change.put(key, &end.to_le_bytes());
                turn.settle(change);
            }),
            _ => turn.give_up(),
        }
        answer
    }

    /// Writes at `offset`.
    ///
    /// # Errors
    /// As `pwrite` of POSIX.
    pub fn write_at(&self, process: &ProcessState, from: &[u8], offset: u64) -> Outcome<u64> {
        self.check_writable()?;
        match &self.object {
            Object::File(held) => held.write(offset, from),
            Object::Device(Device::Console | Device::Errors)
            | Object::PipeReader(_)
            | Object::PipeWriter(_) => Err(Errno::ESPIPE),
            _ => self.write_device(process, from),
        }
    }

    /// Moves the offset.
    ///
    /// # Errors
    /// As `lseek` of POSIX.
    pub fn seek(&self, call: &Call<'_>, offset: i64, whence: Whence) -> Outcome<u64> {
        let size = match &self.object {
            Object::File(held) if whence == Whence::End => held.attributes()?.size,
            Object::File(_) | Object::Directory(..) => 0,
            Object::Device(Device::Console | Device::Errors)
            | Object::PipeReader(_)
            | Object::PipeWriter(_) => {
                return Err(Errno::ESPIPE);
            }
            Object::Device(_) => {
                call.commit([0, 0], |_| {});
                return Ok(0);
            }
        };
        let mut position = self.offset.lock();
        let base = match whence {
            Whence::Set => 0,
            Whence::Current => *position,
            Whence::End => size,
        };
        let moved = base
            .checked_add_signed(offset)
            .filter(|moved| *moved <= i64::MAX as u64);
        *position = moved.ok_or(Errno::EINVAL)?;
        self.commit(call, *position, *position);
        Ok(*position)
    }

    /// What is known of the file.
    ///
    /// # Errors
    /// As `fstat` of POSIX.
    pub fn attributes(&self, process: &ProcessState) -> Outcome<Attributes> {
        let time_s = process.rv6().started_s();
        match &self.object {
            Object::File(held) | Object::Directory(_, Some(held)) => held.attributes(),
            Object::Directory(_, None) => Ok(device::directory_attributes(time_s)),
            Object::Device(device) => Ok(device.attributes(time_s)),
            Object::PipeReader(pipe) | Object::PipeWriter(pipe) => {
                let mut attributes = device::synthetic(Inode(0), FileKind::Fifo, 0o600, 1, time_s);
                attributes.size = pipe.length() as u64;
                Ok(attributes)
            }
        }
    }

    /// Sets the length of the file.
    ///
    /// # Errors
    /// As `ftruncate` of POSIX.
    pub fn truncate(&self, size: u64) -> Outcome<()> {
        match &self.object {
            Object::File(held) if self.access.can_write => held.truncate(size),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Makes the file durable.
    ///
    /// # Errors
    /// As `fsync` of POSIX.
    pub fn sync(&self) -> Outcome<()> {
        match &self.object {
            Object::File(held) | Object::Directory(_, Some(held)) => held.sync(),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Fills `entries` from where the last call ended; 0 at the end.
    ///
    /// # Errors
    /// `ENOTDIR`, or as the file system.
    pub fn read_directory(&self, call: &Call<'_>, entries: &mut [DirectoryEntry]) -> Outcome<u64> {
        let Object::Directory(place, _) = &self.object else {
            return Err(Errno::ENOTDIR);
        };
        let disk = call.rv6().disk();
        let resolver = Resolver::new(disk)?;
        let mut cookie = self.offset.lock();
        let count = match place.node {
            Node::Disk(inode) => read_disk(disk, resolver, inode, &mut cookie, entries)?,
            _ => read_devices(&mut cookie, resolver.root_inode(), entries),
        };
        if count > 0 {
            self.commit(call, count, *cookie);
        }
        Ok(count)
    }

    /// Whether this is the terminal.
    #[must_use]
    pub const fn is_console(&self) -> bool {
        matches!(
            self.object,
            Object::Device(Device::Console | Device::Errors)
        )
    }

    /// The directory opened, if it is one.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self.object, Object::Directory(..))
    }

    const fn check_readable(&self) -> Outcome<()> {
        match (&self.object, self.access.can_read) {
            (Object::Directory(..), _) => Err(Errno::EISDIR),
            (_, true) => Ok(()),
            (_, false) => Err(Errno::EBADF),
        }
    }

    const fn check_writable(&self) -> Outcome<()> {
        if self.access.can_write {
            Ok(())
        } else {
            Err(Errno::EBADF)
        }
    }

    fn read_stream(&self, call: &Call<'_>, into: &mut [u8]) -> Outcome<u64> {
        let rv6 = call.rv6();
        let count = match &self.object {
            Object::Device(Device::Console | Device::Errors) => {
                let terminal = rv6.terminal();
                let _guard = call.blocked().enter(terminal.clone());
                return terminal.read(call, into);
            }
            Object::PipeReader(pipe) => {
                let _guard = call.blocked().enter(pipe.clone());
                return pipe.read(call, into);
            }
            Object::Device(device) => read_device(rv6.system(), *device, into)?,
            Object::Directory(..) => return Err(Errno::EISDIR),
            Object::PipeWriter(_) | Object::File(_) => return Err(Errno::EBADF),
        };
        if count > 0 {
            call.commit([count, 0], |_| {});
        }
        Ok(count)
    }

    fn write_stream(&self, call: &Call<'_>, from: &[u8], done: usize) -> Outcome<u64> {
        if let Object::PipeWriter(pipe) = &self.object {
            let _guard = call.blocked().enter(pipe.clone());
            return pipe
                .write(call, from, done)
                .inspect_err(|_| call.forget_progress());
        }
        let count = self.write_device(call, from)?;
        if count > 0 {
            call.commit([count, 0], |_| {});
        }
        Ok(count)
    }

    fn write_device(&self, process: &ProcessState, from: &[u8]) -> Outcome<u64> {
        match &self.object {
            Object::Device(Device::Console) => process.rv6().terminal().write(from),
            Object::Device(Device::Errors) => process.rv6().terminal().write_error(from),
            Object::Device(_) => {}
            Object::Directory(..) => return Err(Errno::EISDIR),
            Object::PipeReader(_) | Object::PipeWriter(_) | Object::File(_) => {
                return Err(Errno::EBADF);
            }
        }
        Ok(from.len() as u64)
    }
}

/// Reads from a device that is not the terminal. Random bytes come in pieces: to make
/// many takes long, and a process can be ended between two calls only.
fn read_device(system: &dyn System, device: Device, into: &mut [u8]) -> Outcome<u64> {
    let piece = match device {
        Device::Random => into.len().min(RANDOM_MAX),
        _ => into.len(),
    };
    let into = &mut into[..piece];
    match device {
        Device::Null => return Ok(0),
        Device::Random if !system.random(into) => return Err(Errno::ENODEV),
        Device::Zero => into.fill(0),
        _ => {}
    }
    Ok(into.len() as u64)
}

/// Fills `entries` from a directory on the disk, from `cookie` on.
fn read_disk(
    disk: &Disk,
    resolver: Resolver<'_>,
    inode: Inode,
    cookie: &mut u64,
    entries: &mut [DirectoryEntry],
) -> Outcome<u64> {
    if *cookie == COOKIE_END || entries.is_empty() {
        return Ok(0);
    }
    let count = flatten_open(disk.files().read_directory(inode, *cookie, entries))?;
    let last = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_sub(1));
    if let Some(entry) = last.and_then(|last| entries.get(last)) {
        *cookie = entry.next;
        return Ok(count);
    }
    *cookie = COOKIE_END;
    if inode == resolver.root_inode() && disk.lookup(inode, device::DIRECTORY_NAME).is_err() {
        entries[0] = device::mount_entry(COOKIE_END);
        return Ok(1);
    }
    Ok(0)
}

/// Fills `entries` from `/dev`, from position `cookie` on.
fn read_devices(cookie: &mut u64, root: Inode, entries: &mut [DirectoryEntry]) -> u64 {
    let mut count = 0;
    for slot in entries {
        let Some(entry) = device::entry(*cookie, root) else {
            break;
        };
        *slot = entry;
        *cookie += 1;
        count += 1;
    }
    count
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        match &self.object {
            Object::PipeReader(pipe) => pipe.close_reader(),
            Object::PipeWriter(pipe) => pipe.close_writer(),
            _ => {}
        }
        if let Some(journal) = self.journal.lock().take() {
            journal.forget(record::key(Kind::Open, self.number));
            journal.forget(record::key(Kind::Offset, self.number));
        }
    }
}
