//! The shadow of a file system: hides its death from callers.
//!
//! Reading, and writing at a place, may simply be repeated. Other changes may
//! not: a name that was created once exists. So the shadow looks at what a
//! change will change before it is made, and again after a death, and knows
//! whether it was made: the file system makes each as a whole or not at all, and
//! nobody else changes anything meanwhile.
//!
//! **Invariant:** every change goes through this domain, one at a time.
#![no_std]
#![forbid(unsafe_code)]

use core::cell::RefCell;

use exchange::{Proxy, RpcResult};
use interfaces::files::{
    Appended, Attributes, DirectoryEntry, FileError, FileSystem, FileSystemStatus, Inode,
};
use runtime::sync::Mutex;
use shadow::{Deaths, Guard};

type Files = Proxy<dyn FileSystem>;
type Answer<T> = RpcResult<Result<T, FileError>>;

/// The object a shadow provides.
#[derive(Debug)]
pub struct Shadow {
    guard: Guard<dyn FileSystem>,
    /// Held by whoever changes something.
    changes: Mutex<()>,
}

/// What a name stands for.
type Meaning = Result<Inode, FileError>;

impl Shadow {
    /// A shadow of what is guarded.
    #[must_use]
    pub const fn new(guard: Guard<dyn FileSystem>) -> Self {
        Self {
            guard,
            changes: Mutex::new(()),
        }
    }

    /// Makes a call that changes nothing, as often as it takes.
    #[inline(always)]
    fn ask<T>(&self, call: impl Fn(&Files) -> Answer<T>) -> Answer<T> {
        given_up(self.guard.call(|_| false, call))
    }

    /// Makes a change that may be made twice.
    #[inline(always)]
    fn repeat<T>(&self, call: impl Fn(&Files) -> Answer<T>) -> Answer<T> {
        let _turn = self.changes.lock();
        self.ask(call)
    }

    /// Makes a change that may not be made twice. What `look` sees before it is
    /// compared by `was_made` with what it sees after a death: the answer, if
    /// the change was made.
    fn change<T, V>(
        &self,
        look: impl Fn(&Files) -> Answer<V>,
        call: impl Fn(&Files) -> Answer<T>,
        was_made: impl Fn(&V, &V) -> Option<T>,
    ) -> Answer<T> {
        let _turn = self.changes.lock();
        let before = match self.ask(&look)? {
            Ok(before) => before,
            Err(error) => return Ok(Err(error)),
        };
        let mut deaths = Deaths::default();
        loop {
            let seen = self.guard.incarnation();
            match call(self.guard.object()) {
                Err(error) if error.is_domain_dead() => {}
                answer => {
                    self.guard.report(&deaths);
                    return answer;
                }
            }
            if self.guard.wait(seen, &mut deaths).is_err() {
                return Ok(Err(FileError::Lost));
            }
            match self.ask(&look)? {
                Ok(after) => {
                    if let Some(answer) = was_made(&before, &after) {
                        self.guard.report(&deaths);
                        return Ok(Ok(answer));
                    }
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Makes a change after which `name`, which stood for nothing, has a meaning.
    fn name<T>(
        &self,
        directory: Inode,
        name: &[u8],
        call: impl Fn(&Files) -> Answer<T>,
        answer: impl Fn(Inode) -> T,
    ) -> Answer<T> {
        self.change(
            |files| meaning(files, directory, name),
            call,
            |before, after| match (before, after) {
                (Err(_), Ok(made)) => Some(answer(*made)),
                _ => None,
            },
        )
    }

    /// Makes a change after which `name` stands for nothing.
    fn unname(
        &self,
        directory: Inode,
        name: &[u8],
        call: impl Fn(&Files) -> Answer<()>,
    ) -> Answer<()> {
        self.change(
            |files| meaning(files, directory, name),
            call,
            |before, after| (before.is_ok() && after.is_err()).then_some(()),
        )
    }
}

/// What a name stands for; that it stands for nothing is an answer.
fn meaning(files: &Files, directory: Inode, name: &[u8]) -> Answer<Meaning> {
    let found = files.lookup(directory, name)?;
    Ok(match found {
        Err(error @ (FileError::Io | FileError::Corrupt)) => Err(error),
        found => Ok(found),
    })
}

fn given_up<T>(answer: Answer<T>) -> Answer<T> {
    match answer {
        Err(error) if error.is_domain_dead() => Ok(Err(FileError::Lost)),
        answer => answer,
    }
}

impl FileSystem for Shadow {
    fn root(&self) -> Answer<Inode> {
        self.ask(|files| files.root())
    }

    fn lookup(&self, directory: Inode, name: &[u8]) -> Answer<Inode> {
        self.ask(|files| files.lookup(directory, name))
    }

    fn attributes(&self, inode: Inode) -> Answer<Attributes> {
        self.ask(|files| files.attributes(inode))
    }

    fn read(&self, inode: Inode, offset: u64, into: &mut [u8]) -> Answer<u64> {
        let into = RefCell::new(into);
        self.ask(|files| files.read(inode, offset, &mut into.borrow_mut()))
    }

    fn write(&self, inode: Inode, offset: u64, from: &[u8]) -> Answer<u64> {
        self.repeat(|files| files.write(inode, offset, from))
    }

    fn append(&self, inode: Inode, from: &[u8]) -> Answer<Appended> {
        self.change(
            |files| Ok(files.attributes(inode)?.map(|known| known.size)),
            |files| files.append(inode, from),
            |before, after| {
                let bytes = after.saturating_sub(*before);
                (bytes > 0).then_some(Appended { bytes, end: *after })
            },
        )
    }

    fn truncate(&self, inode: Inode, size: u64) -> Answer<()> {
        self.repeat(|files| files.truncate(inode, size))
    }

    fn create(&self, directory: Inode, name: &[u8], mode: u32) -> Answer<Inode> {
        self.name(
            directory,
            name,
            |files| files.create(directory, name, mode),
            |made| made,
        )
    }

    fn make_directory(&self, directory: Inode, name: &[u8], mode: u32) -> Answer<Inode> {
        self.name(
            directory,
            name,
            |files| files.make_directory(directory, name, mode),
            |made| made,
        )
    }

    fn unlink(&self, directory: Inode, name: &[u8]) -> Answer<()> {
        self.unname(directory, name, |files| files.unlink(directory, name))
    }

    fn remove_directory(&self, directory: Inode, name: &[u8]) -> Answer<()> {
        self.unname(directory, name, |files| {
            files.remove_directory(directory, name)
        })
    }

    fn link(&self, inode: Inode, directory: Inode, name: &[u8]) -> Answer<()> {
        self.name(
            directory,
            name,
            |files| files.link(inode, directory, name),
            |_| (),
        )
    }

    fn symlink(&self, directory: Inode, name: &[u8], target: &[u8]) -> Answer<Inode> {
        self.name(
            directory,
            name,
            |files| files.symlink(directory, name, target),
            |made| made,
        )
    }

    fn read_link(&self, inode: Inode, into: &mut [u8]) -> Answer<u64> {
        let into = RefCell::new(into);
        self.ask(|files| files.read_link(inode, &mut into.borrow_mut()))
    }

    fn rename(&self, from: Inode, from_name: &[u8], to: Inode, to_name: &[u8]) -> Answer<()> {
        let look = |files: &Files| -> Answer<(Meaning, Meaning)> {
            match (
                meaning(files, from, from_name)?,
                meaning(files, to, to_name)?,
            ) {
                (Ok(old), Ok(new)) => Ok(Ok((old, new))),
                (Err(error), _) | (_, Err(error)) => Ok(Err(error)),
            }
        };
        self.change(
            look,
            |files| files.rename(from, from_name, to, to_name),
            |before, after| {
                let was_there = before.0.is_ok() && before.1 != before.0;
                (was_there && after.0.is_err() && after.1 == before.0).then_some(())
            },
        )
    }

    fn set_mode(&self, inode: Inode, mode: u32) -> Answer<()> {
        self.repeat(|files| files.set_mode(inode, mode))
    }

    fn set_times(&self, inode: Inode, accessed_s: i64, modified_s: i64) -> Answer<()> {
        self.repeat(|files| files.set_times(inode, accessed_s, modified_s))
    }

    fn read_directory(
        &self,
        inode: Inode,
        cookie: u64,
        entries: &mut [DirectoryEntry],
    ) -> Answer<u64> {
        let entries = RefCell::new(entries);
        self.ask(|files| files.read_directory(inode, cookie, &mut entries.borrow_mut()))
    }

    fn retain(&self, inode: Inode) -> Answer<()> {
        self.change(
            |files| files.retentions(inode),
            |files| files.retain(inode),
            |before, after| (after > before).then_some(()),
        )
    }

    fn release(&self, inode: Inode) -> Answer<()> {
        self.change(
            |files| files.retentions(inode),
            |files| files.release(inode),
            |before, after| (after < before).then_some(()),
        )
    }

    fn retentions(&self, inode: Inode) -> Answer<u64> {
        self.ask(|files| files.retentions(inode))
    }

    fn sync_inode(&self, inode: Inode) -> Answer<()> {
        self.ask(|files| files.sync_inode(inode))
    }

    fn sync(&self) -> Answer<()> {
        self.ask(|files| files.sync())
    }

    fn finish(&self) -> Answer<()> {
        self.repeat(|files| files.finish())
    }

    fn status(&self) -> Answer<FileSystemStatus> {
        self.ask(|files| files.status())
    }
}
