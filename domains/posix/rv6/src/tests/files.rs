//! A file system in memory, as far as Rv6's tests need one.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use exchange::RpcResult;
use interfaces::files::*;

use crate::device::directory_entry;

type Answer<T> = RpcResult<Result<T, FileError>>;

enum Content {
    Bytes(Vec<u8>),
    Names(BTreeMap<Vec<u8>, u64>),
    Link(Vec<u8>),
}

struct File {
    content: Content,
    mode: u32,
    links: u32,
    kept: u32,
    changes: i64,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, File>,
    next: u64,
    /// Bytes that fit on the disk; `None`: any number.
    room: Option<usize>,
}

pub struct MemoryFiles(Mutex<State>);

const ROOT: u64 = 2;

impl MemoryFiles {
    pub fn new() -> Self {
        let mut state = State {
            files: BTreeMap::new(),
            next: ROOT,
            room: None,
        };
        let root = state.add(Content::Names(BTreeMap::new()), 0o755);
        state.name(root, b".", root).unwrap();
        state.name(root, b"..", root).unwrap();
        Self(Mutex::new(state))
    }

    /// Leaves room for so many bytes more.
    pub fn set_room(&self, bytes: usize) {
        self.0.lock().unwrap().room = Some(bytes);
    }

    /// Inodes that exist, named or kept.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().files.len()
    }

    /// Inodes that somebody keeps.
    pub fn kept(&self) -> u32 {
        self.0
            .lock()
            .unwrap()
            .files
            .values()
            .map(|file| file.kept)
            .sum()
    }
}

impl State {
    fn add(&mut self, content: Content, mode: u32) -> u64 {
        let number = self.next;
        self.next += 1;
        self.files.insert(
            number,
            File {
                content,
                mode,
                links: 0,
                kept: 0,
                changes: 1,
            },
        );
        number
    }

    fn get(&mut self, inode: u64) -> Result<&mut File, FileError> {
        self.files.get_mut(&inode).ok_or(FileError::NotFound)
    }

    fn names(&mut self, inode: u64) -> Result<&mut BTreeMap<Vec<u8>, u64>, FileError> {
        match &mut self.get(inode)?.content {
            Content::Names(names) => Ok(names),
            _ => Err(FileError::NotDirectory),
        }
    }

    fn bytes(&mut self, inode: u64) -> Result<&mut Vec<u8>, FileError> {
        match &mut self.get(inode)?.content {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Names(_) => Err(FileError::IsDirectory),
            Content::Link(_) => Err(FileError::Invalid),
        }
    }

    /// Writes as much as there is room for.
    fn write(&mut self, inode: u64, start: usize, from: &[u8]) -> Result<u64, FileError> {
        let length = self.bytes(inode)?.len();
        let most = self.room.map_or(usize::MAX, |room| length + room);
        let end = (start + from.len()).min(most);
        if end <= start && !from.is_empty() {
            return Err(FileError::NoSpace);
        }
        let bytes = self.bytes(inode)?;
        bytes.resize(length.max(end), 0);
        bytes[start..end].copy_from_slice(&from[..end - start]);
        if let Some(room) = &mut self.room {
            *room -= end.saturating_sub(length);
        }
        self.get(inode)?.changes += 1;
        Ok((end - start) as u64)
    }

    fn name(&mut self, directory: u64, name: &[u8], inode: u64) -> Result<(), FileError> {
        if self.names(directory)?.contains_key(name) {
            return Err(FileError::Exists);
        }
        self.names(directory)?.insert(name.to_vec(), inode);
        self.get(inode)?.links += 1;
        Ok(())
    }

    fn find(&mut self, directory: u64, name: &[u8]) -> Result<u64, FileError> {
        self.names(directory)?
            .get(name)
            .copied()
            .ok_or(FileError::NotFound)
    }

    fn forget(&mut self, directory: u64, name: &[u8]) -> Result<(), FileError> {
        let inode = self.find(directory, name)?;
        self.names(directory)?.remove(name);
        self.get(inode)?.links -= 1;
        self.sweep(inode);
        Ok(())
    }

    fn sweep(&mut self, inode: u64) {
        if self
            .files
            .get(&inode)
            .is_some_and(|file| file.links == 0 && file.kept == 0)
        {
            self.files.remove(&inode);
        }
    }

    /// Whether a directory is another one or lies beneath it.
    fn is_beneath(&mut self, mut directory: u64, other: u64) -> bool {
        while directory != other {
            match self.find(directory, b"..") {
                Ok(parent) if parent != directory => directory = parent,
                _ => return false,
            }
        }
        true
    }

    fn is_directory(&mut self, inode: u64) -> bool {
        self.names(inode).is_ok()
    }
}

impl FileSystem for MemoryFiles {
    fn root(&self) -> Answer<Inode> {
        Ok(Ok(Inode(ROOT)))
    }

    fn lookup(&self, directory: Inode, name: &[u8]) -> Answer<Inode> {
        Ok(self.0.lock().unwrap().find(directory.0, name).map(Inode))
    }

    fn attributes(&self, inode: Inode) -> Answer<Attributes> {
        let mut state = self.0.lock().unwrap();
        Ok(state.get(inode.0).map(|file| {
            let (kind, size) = match &file.content {
                Content::Bytes(bytes) => (FileKind::Regular, bytes.len()),
                Content::Names(_) => (FileKind::Directory, 0),
                Content::Link(target) => (FileKind::Symlink, target.len()),
            };
            let mut attributes =
                crate::device::synthetic(inode, kind, file.mode, file.links, file.changes);
            attributes.size = size as u64;
            attributes
        }))
    }

    fn read(&self, inode: Inode, offset: u64, into: &mut [u8]) -> Answer<u64> {
        let mut state = self.0.lock().unwrap();
        Ok(state.bytes(inode.0).map(|bytes| {
            let start = bytes.len().min(offset as usize);
            let count = into.len().min(bytes.len() - start);
            into[..count].copy_from_slice(&bytes[start..start + count]);
            count as u64
        }))
    }

    fn write(&self, inode: Inode, offset: u64, from: &[u8]) -> Answer<u64> {
        Ok(self.0.lock().unwrap().write(inode.0, offset as usize, from))
    }

    fn append(&self, inode: Inode, from: &[u8]) -> Answer<Appended> {
        let mut state = self.0.lock().unwrap();
        let start = state.bytes(inode.0).map(|bytes| bytes.len());
        Ok(start.and_then(|start| {
            let bytes = state.write(inode.0, start, from)?;
            let end = start as u64 + bytes;
            Ok(Appended { bytes, end })
        }))
    }

    fn truncate(&self, inode: Inode, size: u64) -> Answer<()> {
        let mut state = self.0.lock().unwrap();
        Ok(state
            .bytes(inode.0)
            .map(|bytes| bytes.resize(size as usize, 0)))
    }

    fn create(&self, directory: Inode, name: &[u8], mode: u32) -> Answer<Inode> {
        let mut state = self.0.lock().unwrap();
        let inode = state.add(Content::Bytes(Vec::new()), mode);
        let named = state.name(directory.0, name, inode);
        state.sweep(inode);
        Ok(named.map(|()| Inode(inode)))
    }

    fn make_directory(&self, directory: Inode, name: &[u8], mode: u32) -> Answer<Inode> {
        let mut state = self.0.lock().unwrap();
        let inode = state.add(Content::Names(BTreeMap::new()), mode);
        let named = state.name(directory.0, name, inode).map(|()| {
            state.name(inode, b".", inode).unwrap();
            state.name(inode, b"..", directory.0).unwrap();
            Inode(inode)
        });
        state.sweep(inode);
        Ok(named)
    }

    fn unlink(&self, directory: Inode, name: &[u8]) -> Answer<()> {
        Ok(self.0.lock().unwrap().forget(directory.0, name))
    }

    fn remove_directory(&self, directory: Inode, name: &[u8]) -> Answer<()> {
        let mut state = self.0.lock().unwrap();
        Ok(state.find(directory.0, name).and_then(|inode| {
            if state.names(inode)?.len() > 2 {
                return Err(FileError::NotEmpty);
            }
            state.names(inode)?.clear();
            state.get(inode)?.links -= 1;
            state.get(directory.0)?.links -= 1;
            state.forget(directory.0, name)
        }))
    }

    fn link(&self, inode: Inode, directory: Inode, name: &[u8]) -> Answer<()> {
        Ok(self.0.lock().unwrap().name(directory.0, name, inode.0))
    }

    fn symlink(&self, directory: Inode, name: &[u8], target: &[u8]) -> Answer<Inode> {
        let mut state = self.0.lock().unwrap();
        let inode = state.add(Content::Link(target.to_vec()), 0o777);
        Ok(state.name(directory.0, name, inode).map(|()| Inode(inode)))
    }

    fn read_link(&self, inode: Inode, into: &mut [u8]) -> Answer<u64> {
        let mut state = self.0.lock().unwrap();
        Ok(match &state.get(inode.0).unwrap().content {
            Content::Link(target) => {
                into[..target.len()].copy_from_slice(target);
                Ok(target.len() as u64)
            }
            _ => Err(FileError::Invalid),
        })
    }

    fn rename(&self, from: Inode, from_name: &[u8], to: Inode, to_name: &[u8]) -> Answer<()> {
        let mut state = self.0.lock().unwrap();
        Ok(state.find(from.0, from_name).and_then(|inode| {
            if state.is_directory(inode) && state.is_beneath(to.0, inode) {
                return Err(FileError::Invalid);
            }
            if let Ok(replaced) = state.find(to.0, to_name) {
                if replaced == inode {
                    return Ok(());
                }
                match (state.is_directory(inode), state.is_directory(replaced)) {
                    (false, true) => return Err(FileError::IsDirectory),
                    (true, false) => return Err(FileError::NotDirectory),
                    _ => state.forget(to.0, to_name)?,
                }
            }
            state.name(to.0, to_name, inode)?;
            if state.is_directory(inode) && from != to {
                state.names(inode)?.insert(b"..".to_vec(), to.0);
            }
            state.forget(from.0, from_name)
        }))
    }

    fn set_mode(&self, inode: Inode, mode: u32) -> Answer<()> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(inode.0)
            .map(|file| file.mode = mode))
    }

    fn set_times(&self, inode: Inode, _accessed_s: i64, modified_s: i64) -> Answer<()> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(inode.0)
            .map(|file| file.changes = modified_s))
    }

    fn read_directory(
        &self,
        inode: Inode,
        cookie: u64,
        entries: &mut [DirectoryEntry],
    ) -> Answer<u64> {
        let mut state = self.0.lock().unwrap();
        Ok(state.names(inode.0).map(|names| {
            let rest = names.iter().enumerate().skip(cookie as usize);
            let mut count = 0;
            for (slot, (index, (name, inode))) in entries.iter_mut().zip(rest) {
                let next = index as u64 + 1;
                *slot = directory_entry(Inode(*inode), FileKind::Regular, name, next);
                count += 1;
            }
            count
        }))
    }

    fn retain(&self, inode: Inode) -> Answer<()> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(inode.0)
            .map(|file| file.kept += 1))
    }

    fn release(&self, inode: Inode) -> Answer<()> {
        let mut state = self.0.lock().unwrap();
        let released = state.get(inode.0).map(|file| file.kept -= 1);
        state.sweep(inode.0);
        Ok(released)
    }

    fn retentions(&self, inode: Inode) -> Answer<u64> {
        let mut state = self.0.lock().unwrap();
        Ok(state.get(inode.0).map(|file| u64::from(file.kept)))
    }

    fn sync_inode(&self, _inode: Inode) -> Answer<()> {
        Ok(Ok(()))
    }

    fn sync(&self) -> Answer<()> {
        Ok(Ok(()))
    }

    fn finish(&self) -> Answer<()> {
        Ok(Ok(()))
    }

    fn status(&self) -> Answer<FileSystemStatus> {
        Ok(Err(FileError::Invalid))
    }
}
