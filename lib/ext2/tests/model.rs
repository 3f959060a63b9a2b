//! Random operations against a model in memory, and e2fsck at the end.

#![forbid(unsafe_code)]

mod support;

use std::collections::BTreeMap;

use ext2::{Change, Error, Ext2, MountOptions, Piece};
use proptest::prelude::*;
use support::*;

#[derive(Debug, Clone)]
enum Operation {
    Create {
        directory: usize,
        name: u8,
    },
    MakeDirectory {
        directory: usize,
        name: u8,
    },
    Symlink {
        directory: usize,
        name: u8,
        length: usize,
    },
    Unlink {
        directory: usize,
        name: u8,
    },
    RemoveDirectory {
        directory: usize,
        name: u8,
    },
    Link {
        file: usize,
        directory: usize,
        name: u8,
    },
    Rename {
        from: usize,
        from_name: u8,
        to: usize,
        to_name: u8,
    },
    Write {
        file: usize,
        offset: u64,
        length: usize,
        seed: u32,
    },
    Truncate {
        file: usize,
        size: u64,
    },
    Read {
        file: usize,
        offset: u64,
        length: usize,
    },
    Retain {
        any: usize,
    },
    Release {
        any: usize,
    },
    Sync,
    Remount,
    /// The file system is gone while it does this, and goes on from what is kept.
    Interrupted {
        after: u32,
        operation: Box<Operation>,
    },
}

#[derive(Debug, Clone)]
enum Body {
    File(Vec<u8>),
    Directory {
        parent: u32,
        entries: BTreeMap<u8, u32>,
    },
    Link(Vec<u8>),
}

#[derive(Debug, Clone)]
struct Node {
    body: Body,
    links: u16,
}

/// What the file system should hold, by its own inode numbers.
struct Model {
    nodes: BTreeMap<u32, Node>,
    retained: BTreeMap<u32, u32>,
}

type Answer<T> = Result<T, Error<StoreError>>;

impl Model {
    fn new(root: u32) -> Self {
        let body = Body::Directory {
            parent: root,
            entries: BTreeMap::new(),
        };
        Self {
            nodes: BTreeMap::from([(root, Node { body, links: 3 })]),
            retained: BTreeMap::new(),
        }
    }

    fn pick(&self, index: usize, matches: impl Fn(&Node) -> bool) -> Option<u32> {
        let all: Vec<u32> = self
            .nodes
            .iter()
            .filter(|(_, node)| matches(node))
            .map(|(inode, _)| *inode)
            .collect();
        (!all.is_empty()).then(|| all[index % all.len()])
    }

    fn directory(&self, index: usize) -> u32 {
        self.pick(index, |node| matches!(node.body, Body::Directory { .. }))
            .expect("the root")
    }

    fn file(&self, index: usize) -> Option<u32> {
        self.pick(index, |node| matches!(node.body, Body::File(_)))
    }

    fn entries(&self, directory: u32) -> &BTreeMap<u8, u32> {
        match &self.nodes[&directory].body {
            Body::Directory { entries, .. } => entries,
            _ => panic!("picked as a directory"),
        }
    }

    fn entries_mut(&mut self, directory: u32) -> &mut BTreeMap<u8, u32> {
        match &mut self.nodes.get_mut(&directory).expect("picked").body {
            Body::Directory { entries, .. } => entries,
            _ => panic!("picked as a directory"),
        }
    }

    fn is_directory(&self, inode: u32) -> bool {
        matches!(self.nodes[&inode].body, Body::Directory { .. })
    }

    fn links(&mut self, inode: u32) -> &mut u16 {
        &mut self.nodes.get_mut(&inode).expect("a node").links
    }

    fn collect(&mut self, inode: u32) {
        if self.nodes[&inode].links == 0 && !self.retained.contains_key(&inode) {
            self.nodes.remove(&inode);
        }
    }

    fn can_make(&self, directory: u32, name: u8) -> Answer<()> {
        if self.entries(directory).contains_key(&name) {
            return Err(Error::Exists);
        }
        if self.nodes[&directory].links == 0 {
            Err(Error::NotFound)
        } else {
            Ok(())
        }
    }

    fn make(&mut self, directory: u32, name: u8, inode: u32, body: Body) {
        let is_directory = matches!(body, Body::Directory { .. });
        let links = if is_directory { 2 } else { 1 };
        let before = self.nodes.insert(inode, Node { body, links });
        assert!(before.is_none(), "inode {inode} was in use");
        self.entries_mut(directory).insert(name, inode);
        *self.links(directory) += u16::from(is_directory);
    }

    fn unlink(&mut self, directory: u32, name: u8) -> Answer<()> {
        let inode = *self.entries(directory).get(&name).ok_or(Error::NotFound)?;
        if self.is_directory(inode) {
            return Err(Error::IsDirectory);
        }
        self.entries_mut(directory).remove(&name);
        *self.links(inode) -= 1;
        self.collect(inode);
        Ok(())
    }

    fn remove_directory(&mut self, directory: u32, name: u8) -> Answer<()> {
        let inode = *self.entries(directory).get(&name).ok_or(Error::NotFound)?;
        if !self.is_directory(inode) {
            return Err(Error::NotDirectory);
        }
        if !self.entries(inode).is_empty() {
            return Err(Error::NotEmpty);
        }
        self.entries_mut(directory).remove(&name);
        *self.links(directory) -= 1;
        *self.links(inode) = 0;
        self.collect(inode);
        Ok(())
    }

    fn is_beneath(&self, mut inode: u32, ancestor: u32) -> bool {
        loop {
            match &self.nodes[&inode].body {
                _ if inode == ancestor => return true,
                Body::Directory { parent, .. } if *parent != inode => inode = *parent,
                _ => return false,
            }
        }
    }

    fn rename(&mut self, from: u32, from_name: u8, to: u32, to_name: u8) -> Answer<()> {
        let moved = *self.entries(from).get(&from_name).ok_or(Error::NotFound)?;
        if self.nodes[&to].links == 0 {
            return Err(Error::NotFound);
        }
        let is_directory = self.is_directory(moved);
        if is_directory && from != to && self.is_beneath(to, moved) {
            return Err(Error::IntoItself);
        }
        if let Some(target) = self.entries(to).get(&to_name).copied() {
            if target == moved {
                return Ok(());
            }
            match (is_directory, self.is_directory(target)) {
                (true, false) => return Err(Error::NotDirectory),
                (false, true) => return Err(Error::IsDirectory),
                (true, true) => self.remove_directory(to, to_name)?,
                (false, false) => self.unlink(to, to_name)?,
            }
        }
        self.entries_mut(from).remove(&from_name);
        self.entries_mut(to).insert(to_name, moved);
        if is_directory {
            *self.links(from) -= 1;
            *self.links(to) += 1;
        }
        if let Body::Directory { parent, .. } = &mut self.nodes.get_mut(&moved).expect("it").body {
            *parent = to;
        }
        Ok(())
    }
}

fn name_of(name: u8) -> Vec<u8> {
    // Long names make directories of several blocks.
    [
        b"name-".as_slice(),
        &vec![b'a' + name % 26; usize::from(name) * 9],
    ]
    .concat()
}

fn operation() -> impl Strategy<Value = Operation> {
    let index = 0usize..64;
    let name = 0u8..24;
    // Direct, double indirect and, rarely, triple indirect blocks.
    let far = 67_000_000u64..68_000_000;
    let offset = prop_oneof![20 => 0u64..5_000, 20 => 0u64..400_000, 1 => far.clone()];
    let size = prop_oneof![20 => 0u64..5_000, 20 => 0u64..400_000, 1 => far];
    let length = prop_oneof![0usize..3_000, 0usize..60_000];
    let place = (index.clone(), name.clone());
    prop_oneof![
        6 => place.clone().prop_map(|(directory, name)| Operation::Create { directory, name }),
        3 => place.clone()
            .prop_map(|(directory, name)| Operation::MakeDirectory { directory, name }),
        1 => (place.clone(), 1usize..200).prop_map(|((directory, name), length)| {
            Operation::Symlink { directory, name, length }
        }),
        4 => place.clone().prop_map(|(directory, name)| Operation::Unlink { directory, name }),
        2 => place.clone()
            .prop_map(|(directory, name)| Operation::RemoveDirectory { directory, name }),
        2 => (index.clone(), place.clone()).prop_map(|(file, (directory, name))| {
            Operation::Link { file, directory, name }
        }),
        5 => (place.clone(), place).prop_map(|((from, from_name), (to, to_name))| {
            Operation::Rename { from, from_name, to, to_name }
        }),
        6 => (index.clone(), offset.clone(), length.clone(), any::<u32>())
            .prop_map(|(file, offset, length, seed)| Operation::Write { file, offset, length, seed }),
        3 => (index.clone(), size).prop_map(|(file, size)| Operation::Truncate { file, size }),
        3 => (index.clone(), offset, length)
            .prop_map(|(file, offset, length)| Operation::Read { file, offset, length }),
        2 => index.clone().prop_map(|any| Operation::Retain { any }),
        2 => index.prop_map(|any| Operation::Release { any }),
        1 => Just(Operation::Sync),
        1 => Just(Operation::Remount),
    ]
}

/// Also such as are interrupted, of which a keeper knows how to recover.
fn interruptible() -> impl Strategy<Value = Operation> {
    let after = prop_oneof![0u32..4, 0u32..40];
    prop_oneof![
        3 => operation(),
        1 => (after, operation()).prop_map(|(after, operation)| Operation::Interrupted {
            after,
            operation: Box::new(operation),
        }),
    ]
}

/// The file system, the model, the store beneath, and what is kept.
struct Pair {
    fs: Mounted,
    model: Model,
    store: MemoryStore,
    options: MountOptions,
    kept: Option<BTreeMap<u64, (Piece, Vec<u8>)>>,
}

impl Pair {
    fn step(&mut self, operation: Operation) {
        if let Operation::Interrupted { after, operation } = operation {
            self.interrupt(after, &operation);
            self.step(*operation);
            return;
        }
        self.apply(operation);
        self.keep();
    }

    /// Keeps what the operation has changed.
    fn keep(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        let mut change = Change::default();
        self.fs.finish_operation(&mut change).expect("no failure");
        for key in &change.dropped {
            kept.remove(key).expect("dropped what was kept");
        }
        let mut rest = &change.bytes[..];
        for piece in change.pieces {
            let (bytes, behind) = rest.split_at(piece.length);
            kept.insert(piece.key, (piece, bytes.to_vec()));
            rest = behind;
        }
        assert!(rest.is_empty());
    }

    /// Loses the file system within an operation, and goes on from what is kept.
    fn interrupt(&mut self, after: u32, operation: &Operation) {
        let control = &self.store.control;
        control.fail_reads.set(true);
        control.fail_writes.set(true);
        control.end_after.set(Some(after));
        attempt(&mut self.fs, &self.model, operation);
        control.end_after.set(None);
        let clock: fn() -> i64 = || NOW_S;
        let kept = self.kept.as_ref().expect("a keeper");
        let pieces = kept.values().map(|(piece, bytes)| (*piece, &bytes[..]));
        let resumed = Ext2::resume(self.store.clone(), clock, self.options, pieces);
        self.fs = resumed.unwrap_or_else(|error| panic!("resume: {error:?}"));
    }

    /// One arm per operation: longer than the house rule, but a table.
    fn apply(&mut self, operation: Operation) {
        let Self { fs, model, .. } = self;
        match operation {
            Operation::Create { directory, name } => {
                let directory = model.directory(directory);
                let made = fs.create(directory, &name_of(name), PLAIN);
                self.compare_made(directory, name, made, Body::File(Vec::new()));
            }
            Operation::MakeDirectory { directory, name } => {
                let directory = model.directory(directory);
                let made = fs.mkdir(directory, &name_of(name), PLAIN);
                let body = Body::Directory {
                    parent: directory,
                    entries: BTreeMap::new(),
                };
                self.compare_made(directory, name, made, body);
            }
            Operation::Symlink {
                directory,
                name,
                length,
            } => {
                let directory = model.directory(directory);
                let target = vec![b'x'; length];
                let made = fs.symlink(directory, &name_of(name), &target, PLAIN);
                self.compare_made(directory, name, made, Body::Link(target));
            }
            Operation::Unlink { directory, name } => {
                let directory = model.directory(directory);
                let expected = model.unlink(directory, name);
                assert_eq!(fs.unlink(directory, &name_of(name)), expected);
            }
            Operation::RemoveDirectory { directory, name } => {
                let directory = model.directory(directory);
                let expected = model.remove_directory(directory, name);
                assert_eq!(fs.rmdir(directory, &name_of(name)), expected);
            }
            Operation::Rename {
                from,
                from_name,
                to,
                to_name,
            } => {
                let (from, to) = (model.directory(from), model.directory(to));
                let expected = model.rename(from, from_name, to, to_name);
                let (from_name, to_name) = (name_of(from_name), name_of(to_name));
                assert_eq!(fs.rename(from, &from_name, to, &to_name), expected);
            }
            Operation::Link {
                file,
                directory,
                name,
            } => {
                let Some(file) = model.file(file) else { return };
                let directory = model.directory(directory);
                let mut expected = model.can_make(directory, name);
                if expected.is_ok() && model.nodes[&file].links == 0 {
                    expected = Err(Error::NotFound);
                }
                assert_eq!(fs.link(file, directory, &name_of(name)), expected);
                if expected.is_ok() {
                    model.entries_mut(directory).insert(name, file);
                    *model.links(file) += 1;
                }
            }
            other => self.apply_to_inode(other),
        }
    }

    fn apply_to_inode(&mut self, operation: Operation) {
        let Self { fs, model, .. } = self;
        match operation {
            Operation::Write {
                file,
                offset,
                length,
                seed,
            } => {
                let Some(file) = model.file(file) else { return };
                let bytes = pattern(length, seed);
                assert_eq!(fs.write(file, offset, &bytes), Ok(length));
                if length > 0 {
                    let data = data_mut(model, file);
                    let end = offset as usize + length;
                    data.resize(data.len().max(end), 0);
                    data[offset as usize..end].copy_from_slice(&bytes);
                }
            }
            Operation::Truncate { file, size } => {
                let Some(file) = model.file(file) else { return };
                assert_eq!(fs.truncate(file, size), Ok(()));
                data_mut(model, file).resize(size as usize, 0);
            }
            Operation::Read {
                file,
                offset,
                length,
            } => {
                let Some(file) = model.file(file) else { return };
                let data = data_mut(model, file);
                let start = data.len().min(offset as usize);
                let expected = &data[start..data.len().min(start + length)];
                let mut bytes = vec![0xAA; length];
                assert_eq!(fs.read(file, offset, &mut bytes), Ok(expected.len()));
                assert!(&bytes[..expected.len()] == expected);
            }
            Operation::Retain { any } => {
                let inode = model.pick(any, |_| true).expect("the root");
                assert_eq!(fs.retain(inode), Ok(()));
                *model.retained.entry(inode).or_insert(0) += 1;
            }
            Operation::Release { any } => {
                let all: Vec<u32> = model.retained.keys().copied().collect();
                if !all.is_empty() {
                    self.release(all[any % all.len()]);
                }
            }
            Operation::Sync => assert_eq!(fs.sync(), Ok(())),
            _ => self.remount(),
        }
    }

    fn compare_made(&mut self, directory: u32, name: u8, made: Answer<u32>, body: Body) {
        let expected = self.model.can_make(directory, name);
        assert_eq!(made.map(|_| ()), expected);
        if let Ok(inode) = made {
            self.model.make(directory, name, inode, body);
        }
    }

    fn release(&mut self, inode: u32) {
        assert_eq!(self.fs.release(inode), Ok(()));
        let count = self.model.retained.get_mut(&inode).expect("retained");
        *count -= 1;
        if *count == 0 {
            self.model.retained.remove(&inode);
            self.model.collect(inode);
        }
    }

    /// Half of the time the retained inodes are released first, otherwise the
    /// next mount has to find them on the list.
    fn remount(&mut self) {
        if self.model.nodes.len().is_multiple_of(2) {
            while let Some(inode) = self.model.retained.keys().next().copied() {
                self.release(inode);
            }
        }
        assert_eq!(self.fs.sync(), Ok(()));
        self.fs = mount_with(&self.store, self.options);
        if let Some(kept) = &mut self.kept {
            kept.clear();
            self.fs.keep_changes();
        }
        for inode in std::mem::take(&mut self.model.retained).into_keys() {
            self.model.collect(inode);
        }
    }

    /// Everything the model holds must be there, and nothing else.
    fn compare_all(&mut self) {
        let Self { fs, model, .. } = self;
        for (inode, node) in &model.nodes {
            let stat = fs.stat(*inode).expect("in the model");
            assert_eq!(stat.links, node.links, "links of {inode}");
            match &node.body {
                Body::File(data) => assert!(&contents(fs, *inode) == data, "file {inode}"),
                Body::Link(target) => assert_eq!(fs.readlink(*inode).as_ref(), Ok(target)),
                Body::Directory { .. } if node.links == 0 => assert_eq!(list(fs, *inode), []),
                Body::Directory { parent, entries } => {
                    let mut found = list(fs, *inode);
                    found.retain(|(name, _)| name != b"lost+found");
                    found.sort();
                    let mut expected: Vec<_> = entries
                        .iter()
                        .map(|(name, inode)| (name_of(*name), *inode))
                        .collect();
                    expected.push((b".".to_vec(), *inode));
                    expected.push((b"..".to_vec(), *parent));
                    expected.sort();
                    assert_eq!(found, expected, "directory {inode}");
                }
            }
        }
    }
}

/// Does an operation, whatever comes of it.
fn attempt(fs: &mut Mounted, model: &Model, operation: &Operation) {
    match *operation {
        Operation::Create { directory, name } => {
            let _ = fs.create(model.directory(directory), &name_of(name), PLAIN);
        }
        Operation::MakeDirectory { directory, name } => {
            let _ = fs.mkdir(model.directory(directory), &name_of(name), PLAIN);
        }
        Operation::Symlink {
            directory,
            name,
            length,
        } => {
            let target = vec![b'x'; length];
            let _ = fs.symlink(model.directory(directory), &name_of(name), &target, PLAIN);
        }
        Operation::Unlink { directory, name } => {
            let _ = fs.unlink(model.directory(directory), &name_of(name));
        }
        Operation::RemoveDirectory { directory, name } => {
            let _ = fs.rmdir(model.directory(directory), &name_of(name));
        }
        Operation::Link {
            file,
            directory,
            name,
        } => {
            let file = model.file(file).unwrap_or(0);
            let _ = fs.link(file, model.directory(directory), &name_of(name));
        }
        Operation::Rename {
            from,
            from_name,
            to,
            to_name,
        } => {
            let (from, to) = (model.directory(from), model.directory(to));
            let _ = fs.rename(from, &name_of(from_name), to, &name_of(to_name));
        }
        Operation::Write {
            file,
            offset,
            length,
            seed,
        } => {
            let file = model.file(file).unwrap_or(0);
            let _ = fs.write(file, offset, &pattern(length, seed));
        }
        Operation::Truncate { file, size } => {
            let _ = fs.truncate(model.file(file).unwrap_or(0), size);
        }
        Operation::Retain { any } => {
            let _ = fs.retain(model.pick(any, |_| true).expect("the root"));
        }
        Operation::Release { any } => {
            let all: Vec<u32> = model.retained.keys().copied().collect();
            if !all.is_empty() {
                let _ = fs.release(all[any % all.len()]);
            }
        }
        _ => {
            let _ = fs.sync();
        }
    }
}

fn data_mut(model: &mut Model, file: u32) -> &mut Vec<u8> {
    match &mut model.nodes.get_mut(&file).expect("picked").body {
        Body::File(data) => data,
        _ => panic!("picked as a file"),
    }
}

fn run(block_bytes: u32, cache_bytes: usize, keeping: bool, operations: Vec<Operation>) {
    let store = MemoryStore::new(empty_image(block_bytes, 8 * 1024));
    let options = MountOptions {
        read_only: false,
        cache_bytes,
    };
    let fs = mount_with(&store, options);
    let model = Model::new(fs.root());
    let mut pair = Pair {
        fs,
        model,
        store,
        options,
        kept: keeping.then(BTreeMap::new),
    };
    if keeping {
        pair.fs.keep_changes();
        pair.keep();
    }
    let empty = pair.fs.statfs();
    for operation in operations {
        pair.step(operation);
    }
    pair.compare_all();
    pair.remount();
    pair.compare_all();
    while let Some(inode) = pair.model.retained.keys().next().copied() {
        pair.release(inode);
    }
    pair.fs.sync().expect("sync");
    check(&pair.store);
    assert_eq!(pair.fs.statfs().inodes, empty.inodes);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if is_slow() { 400 } else { 30 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn operations_match_the_model(
        log_block in 0u32..3,
        small_cache in any::<bool>(),
        operations in prop::collection::vec(operation(), 1..120),
    ) {
        let cache_bytes = if small_cache { 1 } else { 4 << 20 };
        run(1024 << log_block, cache_bytes, false, operations);
    }

    #[test]
    fn interrupted_operations_can_be_repeated(
        log_block in 0u32..3,
        small_cache in any::<bool>(),
        operations in prop::collection::vec(interruptible(), 1..120),
    ) {
        let cache_bytes = if small_cache { 1 } else { 4 << 20 };
        run(1024 << log_block, cache_bytes, true, operations);
    }
}
