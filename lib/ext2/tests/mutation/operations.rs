//! Every public operation, on whatever the image says is there.

use std::ops::ControlFlow;

use ext2::{Change, Ext2, FileKind, MountOptions, Piece, SESSION_KEY};

use crate::support::*;

/// Names of the image that were seen, and where.
pub type Names = Vec<(u32, Vec<u8>)>;

/// Cache of the mounts: small, so that blocks leave it in the middle.
const CACHE_BYTES: usize = 256 * 1024;

/// Most names looked at, since directories may lead to each other for ever.
const NAMES_MAX: usize = 400;

/// Mounts, if the image can be mounted.
pub fn try_mount(store: &MemoryStore, read_only: bool) -> Option<Mounted> {
    Ext2::mount(store.clone(), now(), options(read_only)).ok()
}

fn options(read_only: bool) -> MountOptions {
    MountOptions {
        read_only,
        cache_bytes: CACHE_BYTES,
    }
}

fn now() -> fn() -> i64 {
    || NOW_S
}

/// Reads everything that can be reached.
pub fn read_everything(fs: &mut Mounted) -> Names {
    let mut found = Names::new();
    let mut pending = vec![fs.root()];
    while let Some(directory) = pending.pop() {
        for (inode, name) in list(fs, directory) {
            let _ = fs.lookup(directory, &name);
            let is_dot = name == b"." || name == b"..";
            let Ok(stat) = fs.stat(inode) else { continue };
            match stat.kind {
                FileKind::Directory if !is_dot && found.len() < NAMES_MAX => pending.push(inode),
                FileKind::Symlink => drop(fs.readlink(inode)),
                FileKind::Regular => read_some(fs, inode, stat.size),
                _ => {}
            }
            if !is_dot {
                found.push((directory, name));
            }
        }
    }
    let _ = fs.statfs();
    found
}

fn list(fs: &mut Mounted, directory: u32) -> Names {
    let mut entries = Names::new();
    let _ = fs.read_dir(directory, 0, |entry| {
        entries.push((entry.inode, entry.name.to_vec()));
        if entries.len() < NAMES_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    entries
}

fn read_some(fs: &mut Mounted, inode: u32, size: u64) {
    let mut bytes = [0; 5_000];
    for offset in [0, 19_000, size / 2, size.saturating_sub(5_000), u64::MAX] {
        let _ = fs.read(inode, offset, &mut bytes);
    }
}

/// Changes what can be reached, `count` times; what is to be kept of it.
pub fn change_things(fs: &mut Mounted, names: &Names, random: &mut Random, count: usize) -> Kept {
    let mut kept = Kept::default();
    fs.keep_changes();
    for _ in 0..count {
        change_one(fs, names, random);
        let mut change = Change::default();
        if fs.finish_operation(&mut change).is_ok() {
            kept.apply(&change);
        }
    }
    kept
}

fn change_one(fs: &mut Mounted, names: &Names, random: &mut Random) {
    let root = fs.root();
    let (directory, name) = match names.len() as u64 {
        0 => (root, b"nothing".to_vec()),
        length => names[random.below(length) as usize].clone(),
    };
    let inode = match random.below(4) {
        0 => random.below(140) as u32,
        _ => fs.lookup(directory, &name).unwrap_or(root),
    };
    let (other, other_name) = match random.below(3) {
        0 => (inode, b"renamed".to_vec()),
        1 => (root, name.clone()),
        _ => names.last().cloned().unwrap_or((root, name.clone())),
    };
    let fresh = format!("new {}", random.below(40)).into_bytes();
    let far = [0, 11_000, 300_000, 70 << 20, 1 << 40, u64::MAX - 9];
    let offset = far[random.below(far.len() as u64) as usize] + random.below(9);
    match random.below(19) {
        0 => drop(fs.unlink(directory, &name)),
        1 => drop(fs.rmdir(directory, &name)),
        2 => drop(fs.rename(directory, &name, other, &other_name)),
        3 => drop(fs.truncate(inode, offset)),
        4 => drop(fs.truncate(inode, random.below(20_000))),
        5 => drop(fs.link(inode, other, &other_name)),
        6 | 7 => drop(fs.write(inode, offset, &[3; 9_000])),
        8 => drop(fs.create(directory, &fresh, PLAIN)),
        9 => drop(fs.mkdir(directory, &fresh, PLAIN)),
        10 => drop(fs.symlink(directory, &fresh, &[b'x'; 200], PLAIN)),
        11 => drop(fs.set_permissions(inode, 0o7777)),
        12 => drop(fs.set_owner(inode, 1 << 20, 7)),
        13 => drop(fs.set_times(inode, Some(1), Some(2))),
        14 => drop(fs.retain(inode)),
        15 => drop(fs.release(inode)),
        16 => read_some(fs, inode, offset),
        17 => drop(list(fs, inode)),
        _ => drop(fs.sync()),
    }
}

/// Shortens and removes whatever has a name, the directories last.
pub fn remove_everything(fs: &mut Mounted, names: &Names) {
    for (directory, name) in names.iter().rev() {
        if let Ok(inode) = fs.lookup(*directory, name) {
            let _ = fs.truncate(inode, 15_000);
            let _ = fs.truncate(inode, 0);
        }
        if fs.unlink(*directory, name).is_err() {
            let _ = fs.rmdir(*directory, name);
        }
    }
}

/// What a keeper would have.
#[derive(Default)]
pub struct Kept(Vec<(Piece, Vec<u8>)>);

impl Kept {
    fn apply(&mut self, change: &Change) {
        self.0.retain(|(piece, _)| {
            !change.dropped.contains(&piece.key)
                && change.pieces.iter().all(|new| new.key != piece.key)
        });
        let mut at = 0;
        for piece in &change.pieces {
            let bytes = change.bytes[at..at + piece.length].to_vec();
            self.0.push((*piece, bytes));
            at += piece.length;
        }
    }

    /// Damages what is kept.
    pub fn damage(&mut self, random: &mut Random) {
        let count = self.0.len() as u64;
        let Some((piece, bytes)) = self.0.get_mut(random.below(count) as usize) else {
            return;
        };
        match random.below(4) {
            0 => piece.key = random.next() >> random.below(64),
            1 => piece.key = SESSION_KEY,
            2 => bytes.truncate(random.below(bytes.len() as u64) as usize),
            _ => {
                for _ in 0..4 {
                    let at = random.below(bytes.len() as u64) as usize;
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = random.next() as u8;
                    }
                }
            }
        }
    }

    /// Goes on from what is kept, if it can be gone on from.
    pub fn resume(&self, store: &MemoryStore) -> Option<Mounted> {
        let pieces = self.0.iter().map(|(piece, bytes)| {
            let piece = Piece {
                length: bytes.len(),
                ..*piece
            };
            (piece, bytes.as_slice())
        });
        Ext2::resume(store.clone(), now(), options(false), pieces).ok()
    }
}
