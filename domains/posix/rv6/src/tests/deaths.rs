//! Rv6 dies before and after each of its commits, and no process notices.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use exchange::host::{self as stand_in, Domain};
use exchange::{Proxy, RpcResult};
use interfaces::files::*;
use interfaces::keep::{KeepError, Keeper, Piece};
use interfaces::process::*;
use keeper::Store;
use posix::Calls;
use proptest::prelude::*;

use super::files::MemoryFiles;
use super::host::{Host, Life, Shared, eventually};
use crate::descriptors::Descriptors;
use crate::journal::Journal;
use crate::path::Resolver;
use crate::process::{ProcessState, WorkingDirectory};
use crate::record::{self, LastCall};
use crate::revive::Refused;
use crate::rv6::Rv6;
use crate::table::FIRST_PID;

/// Bytes the keeper may take.
pub const LIMIT: u64 = 16 << 20;
/// In the place of the domain of the test's own process.
const TEST_DOMAIN: u64 = 1_000_000;

/// When Rv6 dies: at its so-manieth commit from the last death on, before or after
/// the keeper has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    pub commit: usize,
    pub is_kept: bool,
}

/// What is to happen at commits.
struct Fate {
    deaths: VecDeque<Death>,
    /// Commits of this life.
    commits: usize,
    /// Those of all lives.
    total: usize,
}

impl Fate {
    fn new(deaths: &[Death]) -> Self {
        Self {
            deaths: deaths.iter().copied().collect(),
            commits: 0,
            total: 0,
        }
    }
}

/// The keeper, as one life of Rv6 sees it.
struct Mortal {
    store: Arc<Store>,
    fate: Arc<Mutex<Fate>>,
    died: Sender<()>,
    life: Arc<Life>,
}

impl Mortal {
    /// The death that is due at this commit.
    fn due(&self) -> Option<Death> {
        // Only calls die: what threads of Rv6's own do comes when it comes.
        if !stand_in::is_crossing() {
            return None;
        }
        let mut fate = self.fate.lock().unwrap();
        fate.commits += 1;
        fate.total += 1;
        let commits = fate.commits;
        let next = fate.deaths.front().copied();
        let due = next.filter(|death| death.commit == commits - 1)?;
        fate.deaths.pop_front();
        fate.commits = 0;
        Some(due)
    }

    fn die(&self) -> ! {
        self.life.end();
        self.died.send(()).unwrap();
        stand_in::die_here()
    }
}

impl Keeper for Mortal {
    fn keep(
        &self,
        held: u64,
        dropped: &[u64],
        pieces: &[Piece],
        bytes: &[u8],
    ) -> RpcResult<Result<u64, KeepError>> {
        let (due, answer) = self.life.act(|| match self.due() {
            Some(death) if !death.is_kept => (true, Ok(Ok(0))),
            due => (due.is_some(), self.store.keep(held, dropped, pieces, bytes)),
        });
        assert!(matches!(answer, Ok(Ok(_))), "{answer:?}");
        if due {
            self.die();
        }
        answer
    }

    fn replace(&self, pieces: &[Piece], bytes: &[u8]) -> RpcResult<Result<u64, KeepError>> {
        self.store.replace(pieces, bytes)
    }

    fn kept(&self, from: u64, pieces: &mut [Piece], bytes: &mut [u8]) -> RpcResult<u64> {
        self.store.kept(from, pieces, bytes)
    }
}

/// The keeper, as an Rv6 sees it that does not die.
pub fn immortal(store: &Arc<Store>) -> Box<dyn Keeper + Send + Sync> {
    Box::new(Mortal {
        store: store.clone(),
        fate: Arc::new(Mutex::new(Fate::new(&[]))),
        died: channel().0,
        life: Arc::default(),
    })
}

/// A system in which Rv6 dies, and its one process, which is the test.
pub struct World {
    pub files: Arc<MemoryFiles>,
    fate: Arc<Mutex<Fate>>,
    pub process: Calls<Proxy<dyn Process>>,
}

/// What starts lives of Rv6.
struct Supervisor {
    host: Arc<Host>,
    files: Arc<MemoryFiles>,
    store: Arc<Store>,
    fate: Arc<Mutex<Fate>>,
    died: Sender<()>,
}

impl Supervisor {
    /// A new life: its process's object.
    fn start(&self) -> (Arc<Life>, Proxy<dyn Process>) {
        let domain = Domain::new();
        let life = Arc::new(Life::default());
        let process = domain.run(|| {
            let keeper = Mortal {
                store: self.store.clone(),
                fate: self.fate.clone(),
                died: self.died.clone(),
                life: life.clone(),
            };
            let files = Box::new(Shared {
                files: self.files.clone(),
                life: life.clone(),
            });
            let host = self.host.clone();
            let rv6 = Rv6::resume(host, files, None, Box::new(keeper), false).unwrap();
            let watching = rv6.clone();
            thread::spawn(move || watching.watch_ends());
            let process = match rv6.table().running(FIRST_PID) {
                Some(process) => process,
                None => first(&rv6),
            };
            Proxy::export(process as Arc<dyn Process>)
        });
        (life, stand_in::adopt(process))
    }

    /// Replaces what dies.
    fn watch(&self, mut life: Arc<Life>, mut anchor: Proxy<dyn Process>, deaths: &Receiver<()>) {
        while deaths.recv().is_ok() {
            // The message is sent a moment before the death.
            while Proxy::incarnation(&anchor).is_alive() {
                thread::yield_now();
            }
            life.wait();
            let (next, successor) = self.start();
            stand_in::redirect(&anchor, &successor);
            (life, anchor) = (next, successor);
        }
    }
}

pub fn first(rv6: &Arc<Rv6>) -> Arc<ProcessState> {
    let console = ProcessState::open_console(rv6);
    let mut descriptors = Descriptors::new();
    for number in 0..3 {
        descriptors.set(number, console.clone()).unwrap();
    }
    let root = Resolver::new(rv6.disk()).unwrap().root();
    let directory = WorkingDirectory::hold(rv6.disk(), root).unwrap();
    let make = |pid| {
        let name = "test.1".to_string();
        let rv6 = rv6.clone();
        Arc::new(ProcessState::new(
            rv6,
            pid,
            name,
            descriptors,
            directory,
            b"test\0",
            true,
        ))
    };
    let process = rv6.table().add(None, make).unwrap();
    rv6.table().set_domain(&process, TEST_DOMAIN, None);
    process
}

impl World {
    pub fn new(deaths: &[Death]) -> Self {
        Self::with(deaths, Calls::new)
    }

    /// A world in which no call is blamed for the deaths it meets: threads meet each
    /// other's.
    pub fn of_many(deaths: &[Death]) -> Self {
        let attempts = u32::try_from(deaths.len()).unwrap();
        Self::with(deaths, |process| Calls::with_attempts(process, attempts))
    }

    fn with(
        deaths: &[Death],
        calls: impl Fn(Proxy<dyn Process>) -> Calls<Proxy<dyn Process>>,
    ) -> Self {
        let fate = Arc::new(Mutex::new(Fate::new(&[])));
        let (died, has_died) = channel();
        let files = Arc::new(MemoryFiles::new());
        let supervisor = Supervisor {
            host: Arc::default(),
            files: files.clone(),
            store: Arc::new(Store::new(LIMIT)),
            fate: fate.clone(),
            died,
        };
        supervisor.host.know("seven", |_| 7);
        let (life, process) = supervisor.start();
        let anchor = process.try_clone().unwrap();
        thread::spawn(move || supervisor.watch(life, anchor, &has_died));
        let process = calls(process);
        let world = Self {
            files,
            fate,
            process,
        };
        world.install("/seven", b"\x7fELFseven");
        *world.fate.lock().unwrap() = Fate::new(deaths);
        world
    }

    fn install(&self, path: &str, contents: &[u8]) {
        let flags = OpenFlags(OpenFlags::WRITE | OpenFlags::CREATE);
        let process = &self.process;
        let file = process
            .open(path.as_bytes(), flags, 0o755)
            .unwrap()
            .unwrap();
        process.write(file, contents).unwrap().unwrap();
        process.close(file).unwrap().unwrap();
    }

    /// Commits so far, and deaths that have not come yet.
    pub fn fate(&self) -> (usize, usize) {
        let fate = self.fate.lock().unwrap();
        (fate.total, fate.deaths.len())
    }

    /// Does everything; what it was answered, and what is left at the end.
    fn run(&self, steps: &[Step]) -> Vec<String> {
        let mut answers: Vec<String> = steps.iter().map(|step| self.step(*step)).collect();
        for descriptor in 3..20 {
            let _ = self.process.close(descriptor).unwrap();
        }
        answers.push(format!("{:?}", self.process.chdir(b"/").unwrap()));
        for name in NAMES {
            answers.push(self.contents(name));
        }
        // Only the working directory is held, when the last program is gone.
        eventually(|| self.files.kept() == 1);
        answers
    }

    fn contents(&self, name: &str) -> String {
        let flags = OpenFlags(OpenFlags::READ);
        let process = &self.process;
        match process.open(name.as_bytes(), flags, 0).unwrap() {
            Err(errno) => format!("{name}: {errno:?}"),
            Ok(file) => {
                let mut bytes = vec![0; 4096];
                let count = process.read(file, &mut bytes).unwrap();
                process.close(file).unwrap().unwrap();
                let bytes = count.map(|count| bytes[..count as usize].to_vec());
                format!("{name}: {bytes:?}")
            }
        }
    }

    fn step(&self, step: Step) -> String {
        let process = &self.process;
        let name = |index: usize| NAMES[index % NAMES.len()].as_bytes();
        match step {
            Step::Open(index, flags) => {
                let flags = OpenFlags(FLAGS[flags % FLAGS.len()]);
                format!("{:?}", process.open(name(index), flags, 0o644).unwrap())
            }
            Step::Close(descriptor) => format!("{:?}", process.close(descriptor).unwrap()),
            Step::Read(descriptor, length) => self.read(descriptor, length),
            Step::Write(descriptor, byte, length) => {
                let bytes = vec![byte; length];
                format!("{:?}", process.write(descriptor, &bytes).unwrap())
            }
            Step::Seek(descriptor, offset) => {
                let moved = process.lseek(descriptor, offset, Whence::Current);
                format!("{:?}", moved.unwrap())
            }
            Step::Dup(descriptor) => format!("{:?}", process.dup(descriptor).unwrap()),
            Step::Dup2(from, to) => format!("{:?}", process.dup2(from, to).unwrap()),
            Step::Pipe => format!("{:?}", process.pipe().unwrap()),
            Step::List(descriptor) => {
                let mut entries = vec![crate::device::mount_entry(0); 2];
                let count = process.read_directory(descriptor, &mut entries).unwrap();
                let names = entries.iter().map(|entry| entry.name.bytes[0]);
                format!("{count:?} {:?}", names.collect::<Vec<_>>())
            }
            Step::MakeDirectory(index) => format!("{:?}", process.mkdir(name(index), 0o755)),
            Step::RemoveDirectory(index) => format!("{:?}", process.rmdir(name(index))),
            Step::Unlink(index) => format!("{:?}", process.unlink(name(index))),
            Step::Link(from, to) => format!("{:?}", process.link(name(from), name(to))),
            Step::Symlink(to) => format!("{:?}", process.symlink(b"/d/c", name(to))),
            Step::Rename(from, to) => format!("{:?}", process.rename(name(from), name(to))),
            Step::ChangeDirectory(index) => format!("{:?}", process.chdir(name(index))),
            Step::Run => {
                let pid = process
                    .spawn(b"/seven", b"seven\0", b"", &[], Authority::Observe)
                    .unwrap();
                let ended = process.wait(pid.unwrap(), 0).unwrap().unwrap();
                assert_eq!(Ok(ended.pid), pid);
                format!("{} {}", ended.status, ended.cause)
            }
        }
    }

    fn read(&self, descriptor: u32, length: usize) -> String {
        let process = &self.process;
        let known = process.fstat(descriptor).unwrap();
        if known.is_ok_and(|known| known.kind == FileKind::Fifo && known.size == 0) {
            return "nothing in it".into();
        }
        let mut bytes = vec![0; length];
        let count = process.read(descriptor, &mut bytes).unwrap();
        format!("{count:?} {bytes:?}")
    }
}

const NAMES: [&str; 5] = ["/a", "b", "/d", "/d/c", "."];

const FLAGS: [u32; 5] = [
    OpenFlags::READ,
    OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE,
    OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE,
    OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::APPEND,
    OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE,
];

/// One thing the process does. Numbers are descriptors, or places in [`NAMES`] and
/// [`FLAGS`].
#[derive(Clone, Copy, Debug)]
enum Step {
    Open(usize, usize),
    Close(u32),
    Read(u32, usize),
    Write(u32, u8, usize),
    Seek(u32, i64),
    Dup(u32),
    Dup2(u32, u32),
    Pipe,
    List(u32),
    MakeDirectory(usize),
    RemoveDirectory(usize),
    Unlink(usize),
    Link(usize, usize),
    Symlink(usize),
    Rename(usize, usize),
    ChangeDirectory(usize),
    Run,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    let descriptor = || 3..7_u32;
    prop_oneof![
        4 => (name(), 0..FLAGS.len()).prop_map(|(name, flags)| Step::Open(name, flags)),
        1 => descriptor().prop_map(Step::Close),
        3 => (descriptor(), 1..9_usize).prop_map(|(file, length)| Step::Read(file, length)),
        4 => (descriptor(), any::<u8>(), 1..9_usize)
            .prop_map(|(file, byte, length)| Step::Write(file, byte, length)),
        1 => (descriptor(), -3..4_i64).prop_map(|(file, offset)| Step::Seek(file, offset)),
        1 => descriptor().prop_map(Step::Dup),
        1 => (descriptor(), descriptor()).prop_map(|(from, to)| Step::Dup2(from, to)),
        2 => Just(Step::Pipe),
        1 => descriptor().prop_map(Step::List),
        1 => name().prop_map(Step::MakeDirectory),
        1 => name().prop_map(Step::RemoveDirectory),
        1 => name().prop_map(Step::Unlink),
        1 => (name(), name()).prop_map(|(from, to)| Step::Link(from, to)),
        1 => name().prop_map(Step::Symlink),
        1 => (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => name().prop_map(Step::ChangeDirectory),
        1 => Just(Step::Run),
    ]
}

/// Runs the steps once without a death, and then with one at each commit.
fn compare(steps: &[Step]) {
    let undisturbed = World::new(&[]);
    let expected = undisturbed.run(steps);
    let commits = undisturbed.fate().0;
    for commit in 0..commits {
        for is_kept in [false, true] {
            let death = Death { commit, is_kept };
            let world = World::new(&[death]);
            assert_eq!(world.run(steps), expected, "{death:?}");
            // A program's end may be seen to by its parent's thread or by another.
            let has_programs = steps.iter().any(|step| matches!(step, Step::Run));
            let has_died = world.fate().1 == 0;
            assert!(has_died || has_programs, "{death:?}");
        }
    }
}

#[test]
fn everything_is_done_once() {
    compare(&[
        Step::Open(0, 2),
        Step::Write(3, 1, 5),
        Step::Dup(3),
        Step::Close(3),
        Step::Write(4, 2, 5),
        Step::Open(0, 3),
        Step::Write(3, 3, 4),
        Step::Open(0, 0),
        Step::Read(5, 7),
        Step::Seek(5, -2),
        Step::Read(5, 7),
        Step::Pipe,
        Step::Write(7, 9, 6),
        Step::Read(6, 4),
        Step::Write(7, 8, 3),
        Step::Read(6, 9),
        Step::Dup2(5, 6),
        Step::MakeDirectory(2),
        Step::Open(3, 2),
        Step::ChangeDirectory(2),
        Step::Open(4, 0),
        Step::List(6),
        Step::List(8),
        Step::List(9),
        Step::Link(0, 1),
        Step::Rename(1, 3),
        Step::Unlink(0),
        Step::Symlink(0),
        Step::Unlink(3),
        Step::RemoveDirectory(2),
        Step::Run,
    ]);
}

#[test]
fn lanes_that_make_no_sense_are_refused() {
    for (lane, is_fine) in [(1, true), (2, false), (LANE_MAX, false)] {
        let store = Arc::new(Store::new(LIMIT));
        let host = Arc::new(Host::default());
        let files = Arc::new(MemoryFiles::new());
        let life = || {
            let files = Box::new(Shared {
                files: files.clone(),
                life: Arc::default(),
            });
            Rv6::resume(host.clone(), files, None, immortal(&store), false)
        };
        first(&life().unwrap());
        let journal = Journal::open(host.clone(), immortal(&store));
        let key = record::call_key(FIRST_PID, lane);
        let call = LastCall::default().encode();
        let journal = journal.unwrap().unwrap();
        journal.commit(|change| change.put(key, &call));
        let refused = life().err();
        assert_eq!(refused, (!is_fine).then_some(Refused::Damaged(key)));
    }
}

#[test]
fn it_dies_again_and_again() {
    let steps = [
        Step::Open(0, 2),
        Step::Write(3, 1, 5),
        Step::Open(0, 3),
        Step::Write(4, 2, 5),
        Step::Pipe,
        Step::Write(6, 3, 5),
        Step::Read(5, 3),
        Step::Rename(0, 1),
        Step::Read(5, 3),
    ];
    let expected = World::new(&[]).run(&steps);
    for is_kept in [false, true] {
        // A life that is too short for any call would be of no use.
        let death = Death { commit: 3, is_kept };
        let world = World::new(&[death; 6]);
        assert_eq!(world.run(&steps), expected, "{death:?}");
        assert!(world.fate().1 == 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_death_at_any_commit_changes_no_answer(steps in prop::collection::vec(step(), 1..24)) {
        compare(&steps);
    }
}
