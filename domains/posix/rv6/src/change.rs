//! Changes of files that may not be made twice: written down, made, looked for.
//!
//! What is going to be changed is known before, as an [`Action`]; so whoever did not
//! get the answer can see whether it was made. A successor of Rv6 looks, which finds
//! the action written down, and so does Rv6 itself when the file system's shadow died
//! under a call: that comes back when what was called has come to its end, and the
//! shadow's successor answers no sooner.
//!
//! **Invariant:** from before an action is noted until its end is known, nobody else
//! makes one: it is somebody's [`Turn`].

use interfaces::files::{Appended, FileSystem, Inode};

use crate::disk::{Answer, Disk};
use crate::errno::{Errno, Outcome};
use crate::journal::Change;
use crate::lanes::Call;
use crate::record::{self, Action, Intent, Kind};
use crate::rv6::Rv6;
use crate::sync::MutexGuard;

/// The turn to change files in a way that cannot be repeated. While it is somebody's,
/// nobody else does.
pub(crate) struct Turn<'a> {
    rv6: &'a Rv6,
    _guard: MutexGuard<'a, ()>,
}

impl<'a> Turn<'a> {
    /// Whoever has the guard has the turn.
    pub(crate) const fn new(rv6: &'a Rv6, guard: MutexGuard<'a, ()>) -> Self {
        Self { rv6, _guard: guard }
    }

    /// Writes down what is going to be changed. A successor looks whether it was.
    pub(crate) fn intend(&self, call: &Call<'_>, action: &Action) {
        // What does not count may be done twice.
        let Some(lane) = call.lane() else { return };
        let intent = Intent {
            pid: call.number(),
            lane,
            action: action.clone(),
        };
        let key = record::key(Kind::Intent, 0);
        self.rv6
            .journal()
            .commit(|change| change.put(key, &intent.encode()));
    }

    /// Notes, with a call's end, that the change is made.
    pub(crate) fn settle(&self, change: &mut Change) {
        change.forget(record::key(Kind::Intent, 0));
    }

    /// Notes that it will not be made.
    pub(crate) fn give_up(&self) {
        self.rv6.journal().commit(|change| self.settle(change));
    }

    /// Makes a change after writing it down.
    ///
    /// # Errors
    /// As `act`.
    pub(crate) fn change<T>(
        &self,
        call: &Call<'_>,
        action: &Action,
        act: impl Fn(&dyn FileSystem) -> Answer<T>,
    ) -> Outcome<()> {
        if self.rv6.journal().is_kept() {
            self.intend(call, action);
        }
        match self.rv6.disk().change(action, act) {
            Ok(_) => {
                call.commit([0, 0], |change| self.settle(change));
                Ok(())
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }
}

impl Action {
    /// Whether the change was made.
    ///
    /// # Errors
    /// As the file system.
    pub fn was_made(&self, disk: &Disk) -> Outcome<bool> {
        let meaning = |directory: Inode, name: &[u8]| match disk.lookup(directory, name) {
            Ok(inode) => Ok(Some(inode)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        };
        Ok(match self {
            Self::Name(directory, name) | Self::Create(directory, name) => {
                meaning(*directory, name)?.is_some()
            }
            Self::Unname(directory, name) => meaning(*directory, name)?.is_none(),
            Self::Rename {
                from,
                to,
                renamed,
                replaced,
            } => {
                let is_other = renamed != replaced;
                is_other && meaning(from.0, &from.1)?.is_none() && meaning(to.0, &to.1)? == *renamed
            }
            Self::Append {
                inode,
                size,
                length,
                ..
            } => appended(disk, *inode, *size, *length).is_ok_and(|made| made.bytes > 0),
        })
    }
}

/// How much of `length` bytes was appended to a file that had `size` bytes before: all
/// of it, or as much as there was space for.
///
/// # Errors
/// As the file system.
pub fn appended(disk: &Disk, inode: Inode, size: u64, length: u64) -> Outcome<Appended> {
    let grown = disk.attributes(inode)?.size.saturating_sub(size);
    let bytes = grown.min(length);
    let end = size + bytes;
    Ok(Appended { bytes, end })
}
