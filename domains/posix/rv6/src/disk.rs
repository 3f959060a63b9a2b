//! The file system as the rest of Rv6 uses it: error numbers, kept inodes.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use exchange::RpcResult;
use interfaces::files::{Appended, Attributes, FileError, FileSystem, Inode};
use interfaces::process::PATH_MAX;

use crate::errno::{Errno, Outcome, flatten, flatten_open, of_open};
use crate::journal::Journal;
use crate::record::{self, Action, Kind};
use crate::sync::Mutex;

/// How often a change is made whose answer dies with the file system's shadow. A third
/// time would only be a third death.
const ATTEMPTS: u32 = 2;

/// What the file system answers.
pub type Answer<T> = RpcResult<Result<T, FileError>>;

/// The root file system.
pub struct Disk {
    files: Box<dyn FileSystem + Send + Sync>,
    journal: Arc<Journal>,
    /// How often each inode is held; the file system retains it once.
    held: Mutex<BTreeMap<u64, u32>>,
}

impl Disk {
    /// Wraps a file system.
    #[must_use]
    pub fn new(files: Box<dyn FileSystem + Send + Sync>, journal: Arc<Journal>) -> Self {
        Self {
            files,
            journal,
            held: Mutex::default(),
        }
    }

    /// The interface itself, for calls whose answer is passed on as it is.
    #[must_use]
    pub fn files(&self) -> &dyn FileSystem {
        &*self.files
    }

    /// The root directory.
    ///
    /// # Errors
    /// As the file system.
    pub fn root(&self) -> Outcome<Inode> {
        flatten(self.files.root())
    }

    /// The inode of a name in a directory.
    ///
    /// # Errors
    /// As the file system.
    pub fn lookup(&self, directory: Inode, name: &[u8]) -> Outcome<Inode> {
        flatten(self.files.lookup(directory, name))
    }

    /// What is known of an inode.
    ///
    /// # Errors
    /// As the file system.
    pub fn attributes(&self, inode: Inode) -> Outcome<Attributes> {
        flatten(self.files.attributes(inode))
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// As the file system.
    pub fn read_link(&self, inode: Inode) -> Outcome<Vec<u8>> {
        let mut target = vec![0; PATH_MAX];
        let length = flatten(self.files.read_link(inode, &mut target))?;
        target.truncate(usize::try_from(length).unwrap_or(PATH_MAX));
        Ok(target)
    }

    /// The first bytes of a file, as many as there is room for.
    ///
    /// # Errors
    /// As the file system.
    pub fn read_start<'a>(&self, inode: Inode, room: &'a mut [u8]) -> Outcome<&'a [u8]> {
        let mut filled = 0;
        while filled < room.len() {
            let answer = self.files.read(inode, filled as u64, &mut room[filled..]);
            match usize::try_from(flatten(answer)?) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled = filled.saturating_add(count).min(room.len()),
            }
        }
        Ok(&room[..filled])
    }

    /// The contents of a file, of which `size` bytes are expected: the caller knows
    /// that Rv6 can afford them.
    ///
    /// # Errors
    /// As the file system; `ENOMEM` when there is no room for them.
    pub fn read_whole(&self, inode: Inode, size: usize) -> Outcome<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(size, 0);
        let filled = self.read_start(inode, &mut bytes)?.len();
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Makes a change that may not be made twice. `None`: it was made, but the answer
    /// died with who was asked.
    ///
    /// # Errors
    /// As the file system.
    pub fn change<T>(
        &self,
        action: &Action,
        call: impl Fn(&dyn FileSystem) -> Answer<T>,
    ) -> Outcome<Option<T>> {
        self.once(call, || action.was_made(self))
    }

    /// Makes a call that may not be made twice, and makes it again if who was asked
    /// died before it `was_made`. Looking waits for a successor, if there will be one.
    fn once<T>(
        &self,
        call: impl Fn(&dyn FileSystem) -> Answer<T>,
        was_made: impl Fn() -> Outcome<bool>,
    ) -> Outcome<Option<T>> {
        for _ in 0..ATTEMPTS {
            match call(&*self.files) {
                Err(error) if error.is_domain_dead() => {}
                answer => return flatten(answer).map(Some),
            }
            if was_made()? {
                return Ok(None);
            }
        }
        Err(Errno::EIO)
    }

    /// Retains an inode that nobody here does; `held` is locked.
    fn retain(&self, inode: Inode) -> Outcome<()> {
        let is_retained = || flatten(self.files.retentions(inode)).map(|count| count > 0);
        self.once(|files| files.retain(inode), is_retained)?;
        Ok(())
    }

    /// Ends that; `held` is locked. A file system that was replaced meanwhile has
    /// nothing to release.
    fn release_one(&self, inode: Inode) {
        // One that is gone has no retentions.
        let is_released =
            || Ok(flatten(self.files.retentions(inode)).is_ok_and(|count| count == 0));
        let _ = self.once(|files| files.release(inode), is_released);
    }

    /// Keeps an inode's contents until the answer is dropped.
    ///
    /// # Errors
    /// As the file system.
    pub fn hold(self: &Arc<Self>, inode: Inode) -> Outcome<Held> {
        let mut held = self.held.lock();
        if !held.contains_key(&inode.0) {
            // Written down first: a successor lets go what nobody turns out to use.
            let key = record::key(Kind::Held, inode.0);
            self.journal.commit(|change| change.put(key, &[]));
            if let Err(error) = self.retain(inode) {
                self.journal.forget(key);
                return Err(error);
            }
        }
        *held.entry(inode.0).or_insert(0) += 1;
        drop(held);
        Ok(Held {
            disk: Arc::clone(self),
            inode,
        })
    }

    /// Holds an inode that a predecessor held.
    ///
    /// # Errors
    /// As the file system.
    pub fn hold_again(self: &Arc<Self>, inode: Inode) -> Outcome<Held> {
        let mut held = self.held.lock();
        let is_known = held.contains_key(&inode.0);
        if !is_known && flatten(self.files.retentions(inode))? == 0 {
            self.retain(inode)?;
        }
        *held.entry(inode.0).or_insert(0) += 1;
        drop(held);
        Ok(Held {
            disk: Arc::clone(self),
            inode,
        })
    }

    /// Lets go an inode that a predecessor held, or was about to, unless it is held
    /// again.
    pub fn let_go(&self, inode: Inode) {
        if self.held.lock().contains_key(&inode.0) {
            return;
        }
        // One that is gone has no retentions.
        if matches!(self.files.retentions(inode), Ok(Ok(count)) if count > 0) {
            self.release_one(inode);
        }
        self.journal.forget(record::key(Kind::Held, inode.0));
    }

    fn release(&self, inode: Inode) {
        let mut held = self.held.lock();
        let Some(count) = held.get_mut(&inode.0) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        held.remove(&inode.0);
        self.release_one(inode);
        self.journal.forget(record::key(Kind::Held, inode.0));
    }
}

/// An inode whose contents stay even when its last name goes.
pub struct Held {
    disk: Arc<Disk>,
    inode: Inode,
}

impl Held {
    /// Its number.
    #[must_use]
    pub const fn inode(&self) -> Inode {
        self.inode
    }

    /// Reads at `offset`; 0 at the end.
    ///
    /// # Errors
    /// As the file system.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Outcome<u64> {
        flatten_open(self.disk.files.read(self.inode, offset, into))
    }

    /// Writes at `offset`.
    ///
    /// # Errors
    /// As the file system.
    pub fn write(&self, offset: u64, from: &[u8]) -> Outcome<u64> {
        flatten_open(self.disk.files.write(self.inode, offset, from))
    }

    /// Writes at the end, as `action` says. `None`: it did, but the answer died with
    /// who was asked.
    ///
    /// # Errors
    /// As the file system.
    pub fn append(&self, action: &Action, from: &[u8]) -> Outcome<Option<Appended>> {
        let inode = self.inode;
        let appended = self.disk.change(action, |files| files.append(inode, from));
        appended.map_err(of_open)
    }

    /// What is known of it.
    ///
    /// # Errors
    /// As the file system.
    pub fn attributes(&self) -> Outcome<Attributes> {
        flatten_open(self.disk.files.attributes(self.inode))
    }

    /// Sets its length.
    ///
    /// # Errors
    /// As the file system.
    pub fn truncate(&self, size: u64) -> Outcome<()> {
        flatten_open(self.disk.files.truncate(self.inode, size))
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// As the file system.
    pub fn sync(&self) -> Outcome<()> {
        flatten_open(self.disk.files.sync_inode(self.inode))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.release(self.inode);
    }
}
