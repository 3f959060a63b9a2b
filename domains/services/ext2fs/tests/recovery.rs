//! A file system and its keeper that die at every step, unnoticed by callers.

#![forbid(unsafe_code)]

mod support;

use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use exchange::host::{Domain, adopt, die_here, objects_of, reclaim, redirect};
use exchange::{Proxy, RpcResult};
use ext2::{BlockStore, MountOptions};
use ext2fs::start;
use interfaces::files::{Appended, FileError, FileSystem, Inode};
use interfaces::keep::{KeepError, Keeper, Piece};
use keeper::Store;
use proptest::prelude::*;
use runtime::Options;
use shadow::Guard;
use shadow_files::Shadow;
use support::{Medium, NOW_S, check, image};

const SECTOR: usize = 512;

/// How many more steps each coming life of a domain has; then for ever.
#[derive(Default)]
struct Lives {
    coming: Mutex<VecDeque<usize>>,
    deaths: AtomicUsize,
}

/// One life.
struct Life {
    domain: Domain,
    left: Mutex<Option<usize>>,
    /// Its start is over: calls come, within which it may die.
    serves: AtomicBool,
    lives: Arc<Lives>,
    died: mpsc::Sender<Domain>,
}

impl Life {
    fn new(domain: Domain, lives: &Arc<Lives>, died: &mpsc::Sender<Domain>) -> Arc<Self> {
        let left = lives.coming.lock().unwrap().pop_front();
        Arc::new(Self {
            domain,
            left: Mutex::new(left),
            serves: AtomicBool::new(false),
            lives: Arc::clone(lives),
            died: died.clone(),
        })
    }

    /// A place at which the domain may die; it holds what locks it may hold.
    fn point(&self) {
        if !self.serves.load(Ordering::SeqCst) {
            return;
        }
        let is_over = {
            let mut left = self.left.lock().unwrap();
            let is_over = *left == Some(0);
            *left = left.map(|points| points.saturating_sub(1));
            is_over
        };
        if is_over {
            self.lives.deaths.fetch_add(1, Ordering::SeqCst);
            self.domain.die();
            // The supervisor may be gone at the end of a test.
            let _ = self.died.send(self.domain);
            die_here()
        }
    }
}

/// The medium, as a part of the file system that reaches it.
struct Sectors {
    medium: Arc<Medium>,
    life: Arc<Life>,
}

impl BlockStore for Sectors {
    type Error = &'static str;

    fn sector_bytes(&self) -> u32 {
        SECTOR as u32
    }

    fn sector_count(&self) -> u64 {
        (self.medium.bytes.lock().unwrap().len() / SECTOR) as u64
    }

    fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), Self::Error> {
        self.life.point();
        let bytes = self.medium.bytes.lock().unwrap();
        into.copy_from_slice(&bytes[sector as usize * SECTOR..][..into.len()]);
        Ok(())
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), Self::Error> {
        self.life.point();
        // It may die with a transfer half done.
        let half = from.len() / SECTOR / 2 * SECTOR;
        let place = sector as usize * SECTOR;
        self.medium.bytes.lock().unwrap()[place..][..half].copy_from_slice(&from[..half]);
        self.life.point();
        self.medium.bytes.lock().unwrap()[place..][..from.len()].copy_from_slice(from);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.life.point();
        Ok(())
    }
}

/// A file system that may also die when an answer is ready, which is after the
/// keeper has the change.
struct Mortal<F> {
    files: F,
    life: Arc<Life>,
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl<F: FileSystem> FileSystem for Mortal<F> {
            $(fn $method(&self, $($argument: $type),*) -> RpcResult<Result<$answer, FileError>> {
                let answer = self.files.$method($($argument),*);
                self.life.point();
                answer
            })*
        }
    };
}

forward! {
    root() -> Inode;
    lookup(directory: Inode, name: &[u8]) -> Inode;
    attributes(inode: Inode) -> interfaces::files::Attributes;
    read(inode: Inode, offset: u64, into: &mut [u8]) -> u64;
    write(inode: Inode, offset: u64, from: &[u8]) -> u64;
    append(inode: Inode, from: &[u8]) -> Appended;
    truncate(inode: Inode, size: u64) -> ();
    create(directory: Inode, name: &[u8], mode: u32) -> Inode;
    make_directory(directory: Inode, name: &[u8], mode: u32) -> Inode;
    unlink(directory: Inode, name: &[u8]) -> ();
    remove_directory(directory: Inode, name: &[u8]) -> ();
    link(inode: Inode, directory: Inode, name: &[u8]) -> ();
    symlink(directory: Inode, name: &[u8], target: &[u8]) -> Inode;
    read_link(inode: Inode, into: &mut [u8]) -> u64;
    rename(from: Inode, from_name: &[u8], to: Inode, to_name: &[u8]) -> ();
    set_mode(inode: Inode, mode: u32) -> ();
    set_times(inode: Inode, accessed_s: i64, modified_s: i64) -> ();
    read_directory(
        inode: Inode,
        cookie: u64,
        entries: &mut [interfaces::files::DirectoryEntry]
    ) -> u64;
    retain(inode: Inode) -> ();
    release(inode: Inode) -> ();
    retentions(inode: Inode) -> u64;
    sync_inode(inode: Inode) -> ();
    sync() -> ();
    finish() -> ();
    status() -> interfaces::files::FileSystemStatus;
}

/// A keeper that dies before or after it has kept something.
struct MortalKeeper {
    store: Store,
    life: Arc<Life>,
}

impl Keeper for MortalKeeper {
    fn keep(
        &self,
        held: u64,
        dropped: &[u64],
        pieces: &[Piece],
        bytes: &[u8],
    ) -> RpcResult<Result<u64, KeepError>> {
        self.life.point();
        let answer = self.store.keep(held, dropped, pieces, bytes);
        self.life.point();
        answer
    }

    fn replace(&self, pieces: &[Piece], bytes: &[u8]) -> RpcResult<Result<u64, KeepError>> {
        let answer = self.store.replace(pieces, bytes);
        self.life.point();
        answer
    }

    fn kept(&self, from: u64, pieces: &mut [Piece], bytes: &mut [u8]) -> RpcResult<u64> {
        self.store.kept(from, pieces, bytes)
    }
}

/// Starts one successor after the other. Its proxies are its domain's.
fn supervise<I: ?Sized + exchange::Interface>(
    home: Domain,
    lives: Arc<Lives>,
    start: impl Fn(Arc<Life>) -> Arc<I> + Send + 'static,
) -> Proxy<I>
where
    Proxy<I>: Send,
{
    let (died, deaths) = mpsc::channel();
    let launch = move |lives: &Arc<Lives>| {
        let domain = Domain::new();
        let life = Life::new(domain, lives, &died);
        let object = domain.run(|| Proxy::export(start(Arc::clone(&life))));
        life.serves.store(true, Ordering::SeqCst);
        adopt(object)
    };
    let mut first = home.run(|| launch(&lives));
    let given = adopt(first.try_clone().unwrap());
    std::thread::spawn(move || {
        home.run(|| {
            while let Ok(dead) = deaths.recv() {
                reclaim(dead.id());
                assert_eq!(objects_of(dead.id()), 0);
                let second = launch(&lives);
                redirect(&first, &second);
                first = second;
            }
        });
    });
    given
}

/// A shadow over mortal file systems over one mortal keeper.
fn shadow(medium: &Arc<Medium>, files: &Arc<Lives>, keepers: &Arc<Lives>, limit: u64) -> Shadow {
    let home = Domain::new();
    let keeper = home.run(|| {
        supervise(home, Arc::clone(keepers), move |life| {
            let store = Store::new(limit);
            Arc::new(MortalKeeper { store, life }) as Arc<dyn Keeper>
        })
    });
    let medium = Arc::clone(medium);
    let guarded = supervise(home, Arc::clone(files), move |life| {
        let sectors = Sectors {
            medium: Arc::clone(&medium),
            life: Arc::clone(&life),
        };
        let options = MountOptions {
            read_only: false,
            cache_bytes: 1,
        };
        let keeper = adopt(keeper.try_clone().unwrap());
        let clock: fn() -> i64 = || NOW_S;
        let files = start::mount(sectors, clock, options, Some(keeper)).expect("mounts");
        Arc::new(Mortal { files, life }) as Arc<dyn FileSystem>
    });
    let options = Options::new("attempts=1000".to_owned());
    Shadow::new(Guard::new(guarded, &options).unwrap())
}

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    MakeDirectory(u8),
    Symlink(u8),
    Link(u8, u8),
    Unlink(u8),
    RemoveDirectory(u8),
    Rename(u8, u8),
    Write(u8, u64, usize),
    Append(u8, usize),
    Truncate(u8, u64),
    /// Keeps a file open over its removal.
    ReadRemoved(u8),
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..6_u8;
    let names = (name.clone(), name.clone());
    let length = prop_oneof![1..200_usize, 1..40_000_usize];
    prop_oneof![
        3 => name.clone().prop_map(Step::Create),
        1 => name.clone().prop_map(Step::MakeDirectory),
        1 => name.clone().prop_map(Step::Symlink),
        1 => names.clone().prop_map(|(old, new)| Step::Link(old, new)),
        2 => name.clone().prop_map(Step::Unlink),
        1 => name.clone().prop_map(Step::RemoveDirectory),
        2 => names.prop_map(|(from, to)| Step::Rename(from, to)),
        4 => (name.clone(), 0..30_000_u64, length.clone())
            .prop_map(|(name, offset, length)| Step::Write(name, offset, length)),
        2 => (name.clone(), length).prop_map(|(name, length)| Step::Append(name, length)),
        1 => (name.clone(), 0..30_000_u64).prop_map(|(name, size)| Step::Truncate(name, size)),
        1 => name.prop_map(Step::ReadRemoved),
        1 => Just(Step::Sync),
    ]
}

/// What a name should stand for; files by number, since they may have two names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    File(usize),
    Directory,
    Symlink,
}

#[derive(Default)]
struct Model {
    names: BTreeMap<u8, Entry>,
    files: Vec<Vec<u8>>,
}

/// A file system under test, with what it should hold.
struct Pair {
    shadow: Shadow,
    root: Inode,
    model: Model,
}

fn text(name: u8) -> Vec<u8> {
    vec![b'a' + name; 1 + usize::from(name) * 40]
}

fn fill(length: usize, seed: usize) -> Vec<u8> {
    (0..length)
        .map(|index| (index * 31 + seed * 17) as u8)
        .collect()
}

impl Pair {
    fn inode(&self, name: u8) -> Inode {
        let found = self.shadow.lookup(self.root, &text(name));
        found.unwrap().expect("in the model")
    }

    fn file(&self, name: u8) -> Option<(Inode, usize)> {
        match self.model.names.get(&name) {
            Some(Entry::File(number)) => Some((self.inode(name), *number)),
            _ => None,
        }
    }

    /// Gives a name its first meaning.
    fn make<T>(&mut self, name: u8, entry: Entry, answer: Result<T, FileError>) {
        let expected = match self.model.names.entry(name) {
            Vacant(place) => {
                place.insert(entry);
                None
            }
            Occupied(_) => Some(FileError::Exists),
        };
        assert_eq!(answer.err(), expected);
    }

    fn unlink(&mut self, name: u8) {
        let expected = match self.model.names.get(&name) {
            None => Err(FileError::NotFound),
            Some(Entry::Directory) => Err(FileError::IsDirectory),
            Some(_) => Ok(()),
        };
        let answer = self.shadow.unlink(self.root, &text(name)).unwrap();
        assert_eq!(answer, expected);
        if answer.is_ok() {
            self.model.names.remove(&name);
        }
    }

    fn rename(&mut self, from: u8, to: u8) {
        let names = &mut self.model.names;
        let (old, new) = (names.get(&from).copied(), names.get(&to).copied());
        let is_one_inode = from == to
            || matches!((old, new), (Some(Entry::File(a)), Some(Entry::File(b))) if a == b);
        let expected = match (old, new) {
            (None, _) => Err(FileError::NotFound),
            (Some(Entry::Directory), Some(Entry::File(_) | Entry::Symlink)) => {
                Err(FileError::NotDirectory)
            }
            (Some(Entry::File(_) | Entry::Symlink), Some(Entry::Directory)) => {
                Err(FileError::IsDirectory)
            }
            _ => Ok(()),
        };
        let (from_name, to_name) = (text(from), text(to));
        let answer = self
            .shadow
            .rename(self.root, &from_name, self.root, &to_name);
        assert_eq!(answer.unwrap(), expected);
        if expected.is_ok() && !is_one_inode {
            let entry = names.remove(&from).expect("it is there");
            names.insert(to, entry);
        }
    }

    fn do_step(&mut self, step: &Step) {
        let (root, shadow) = (self.root, &self.shadow);
        match *step {
            Step::Create(name) => {
                let answer = shadow.create(root, &text(name), 0o644).unwrap();
                let entry = Entry::File(self.model.files.len());
                self.model.files.push(Vec::new());
                self.make(name, entry, answer);
            }
            Step::MakeDirectory(name) => {
                let answer = shadow.make_directory(root, &text(name), 0o755).unwrap();
                self.make(name, Entry::Directory, answer);
            }
            Step::Symlink(name) => {
                let answer = shadow.symlink(root, &text(name), &[b'x'; 100]).unwrap();
                self.make(name, Entry::Symlink, answer);
            }
            Step::Link(old, new) => {
                let Some((inode, number)) = self.file(old) else {
                    return;
                };
                let answer = shadow.link(inode, root, &text(new)).unwrap();
                self.make(new, Entry::File(number), answer);
            }
            Step::Unlink(name) => self.unlink(name),
            Step::RemoveDirectory(name) => {
                let answer = shadow.remove_directory(root, &text(name)).unwrap();
                let expected = match self.model.names.get(&name) {
                    None => Err(FileError::NotFound),
                    Some(Entry::Directory) => Ok(()),
                    Some(_) => Err(FileError::NotDirectory),
                };
                assert_eq!(answer, expected);
                if answer.is_ok() {
                    self.model.names.remove(&name);
                }
            }
            Step::Rename(from, to) => self.rename(from, to),
            Step::ReadRemoved(name) => self.read_removed(name),
            Step::Sync => shadow.sync().unwrap().expect("synced"),
            ref other => self.do_contents(other),
        }
    }

    fn do_contents(&mut self, step: &Step) {
        let (Step::Write(name, ..) | Step::Append(name, _) | Step::Truncate(name, _)) = *step
        else {
            return;
        };
        let Some((inode, number)) = self.file(name) else {
            return;
        };
        let data = &mut self.model.files[number];
        match *step {
            Step::Append(_, length) => {
                let bytes = fill(length, number + data.len());
                data.extend_from_slice(&bytes);
                let appended = Appended {
                    bytes: length as u64,
                    end: data.len() as u64,
                };
                let answer = self.shadow.append(inode, &bytes).unwrap();
                assert_eq!(answer, Ok(appended));
            }
            Step::Write(_, offset, length) => {
                let bytes = fill(length, number + data.len());
                let end = offset as usize + length;
                data.resize(data.len().max(end), 0);
                data[offset as usize..end].copy_from_slice(&bytes);
                let written = self.shadow.write(inode, offset, &bytes).unwrap();
                assert_eq!(written, Ok(length as u64));
            }
            Step::Truncate(_, size) => {
                data.resize(size as usize, 0);
                assert_eq!(self.shadow.truncate(inode, size).unwrap(), Ok(()));
            }
            _ => {}
        }
    }

    fn read_removed(&mut self, name: u8) {
        let Some((inode, number)) = self.file(name) else {
            return;
        };
        self.shadow.retain(inode).unwrap().expect("retained");
        self.unlink(name);
        self.compare(inode, number);
        assert_eq!(self.shadow.retentions(inode).unwrap(), Ok(1));
        self.shadow.release(inode).unwrap().expect("released");
        assert_eq!(self.shadow.retentions(inode).unwrap(), Ok(0));
    }

    fn compare(&self, inode: Inode, number: usize) {
        let data = &self.model.files[number];
        let mut bytes = vec![0xAA; data.len() + 1];
        let count = self.shadow.read(inode, 0, &mut bytes).unwrap();
        assert_eq!(count, Ok(data.len() as u64));
        assert!(bytes[..data.len()] == data[..], "file {number}");
    }

    fn compare_all(&self) {
        for name in 0..6 {
            let found = self.shadow.lookup(self.root, &text(name)).unwrap();
            match self.model.names.get(&name) {
                None => assert_eq!(found, Err(FileError::NotFound)),
                Some(Entry::File(number)) => self.compare(found.expect("there"), *number),
                Some(_) => assert!(found.is_ok()),
            }
        }
    }
}

/// Runs steps over domains with such lives; how many deaths there were.
fn run(steps: &[Step], files: Vec<usize>, keepers: Vec<usize>, limit: u64) -> usize {
    let medium = Medium::new(image(&["-b", "1024"], 4096));
    let lives = |coming: Vec<usize>| {
        Arc::new(Lives {
            coming: Mutex::new(coming.into()),
            deaths: AtomicUsize::new(0),
        })
    };
    let (files, keepers) = (lives(files), lives(keepers));
    let domain = Domain::new();
    domain.run(|| {
        let shadow = shadow(&medium, &files, &keepers, limit);
        let root = shadow.root().unwrap().expect("a root");
        let model = Model::default();
        let mut pair = Pair {
            shadow,
            root,
            model,
        };
        for step in steps {
            pair.do_step(step);
        }
        pair.compare_all();
        pair.shadow.sync().unwrap().expect("synced");
    });
    check(&medium);
    files.deaths.load(Ordering::SeqCst) + keepers.deaths.load(Ordering::SeqCst)
}

const PLENTY: u64 = 1 << 20;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_caller_notices_a_death_of_the_file_system(
        steps in prop::collection::vec(step(), 1..40),
        lives in prop::collection::vec(0..60_usize, 0..20),
    ) {
        run(&steps, lives, Vec::new(), PLENTY);
    }

    #[test]
    fn no_caller_notices_a_death_of_the_keeper(
        steps in prop::collection::vec(step(), 1..40),
        lives in prop::collection::vec(0..20_usize, 0..20),
    ) {
        run(&steps, Vec::new(), lives, PLENTY);
    }

    #[test]
    fn a_keeper_without_room_does_no_harm(steps in prop::collection::vec(step(), 1..40)) {
        run(&steps, Vec::new(), Vec::new(), 8 << 10);
    }
}

#[test]
fn a_death_at_every_step_of_one_program() {
    let steps = [
        Step::Create(1),
        Step::Write(1, 100, 30_000),
        Step::Append(1, 50),
        Step::MakeDirectory(2),
        Step::Symlink(5),
        Step::Sync,
        Step::Rename(1, 3),
        Step::Link(3, 4),
        Step::Truncate(3, 5_000),
        Step::Unlink(3),
        Step::ReadRemoved(4),
        Step::RemoveDirectory(2),
    ];
    let mut met = 0;
    for life in 0..160 {
        met += run(&steps, vec![life], Vec::new(), PLENTY);
    }
    assert!(met >= 100, "only {met} deaths were met");
}
