//! Threads of one process make calls at once while Rv6 dies.

#![forbid(unsafe_code)]

use std::thread;

use exchange::host::Domain;
use interfaces::process::{Authority, Errno, OpenFlags, Whence};

use super::deaths::{Death, World};
use super::host::eventually;

const THREADS: u8 = 4;
/// More than a pipe holds.
const MUCH: usize = 150_000;

const NEW: OpenFlags =
    OpenFlags(OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
const APPEND: OpenFlags = OpenFlags(OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::APPEND);
const READ: OpenFlags = OpenFlags(OpenFlags::READ);

/// What the threads have in common.
struct Shared<'a> {
    world: &'a World,
    rounds: u8,
    /// To each thread leads a pipe: its ends.
    pipes: Vec<(u32, u32)>,
    /// Pipes from one half of the threads to the other, for much at once.
    streams: Vec<(u32, u32)>,
    /// A file that all append to.
    log: u32,
}

impl<'a> Shared<'a> {
    fn new(world: &'a World, rounds: u8) -> Self {
        let pipe = |_| {
            let ends = world.process.pipe().unwrap().unwrap();
            (ends.read, ends.write)
        };
        Self {
            world,
            rounds,
            pipes: (0..THREADS).map(pipe).collect(),
            streams: (0..THREADS / 2).map(pipe).collect(),
            log: world.process.open(b"/log", APPEND, 0o644).unwrap().unwrap(),
        }
    }

    /// What one of the threads does.
    fn work(&self, own: u8) {
        for round in 0..self.rounds {
            self.pass_on(own, round);
            self.append(own, round);
            self.make_and_remove(own, round);
            self.run();
        }
        // Two write what does not fit into a pipe, and two read it.
        match own.checked_sub(THREADS / 2) {
            Some(stream) => self.read_much(stream),
            None => self.write_much(own),
        }
    }

    /// A byte to the next thread, one from the previous.
    fn pass_on(&self, own: u8, round: u8) {
        let process = &self.world.process;
        let (_, next) = self.pipes[usize::from((own + 1) % THREADS)];
        let (from_previous, _) = self.pipes[usize::from(own)];
        let written = process.write(next, &[own, round]).unwrap();
        assert_eq!(written, Ok(2));
        let mut got = [0; 2];
        assert_eq!(process.read(from_previous, &mut got).unwrap(), Ok(2));
        assert_eq!(got, [(own + THREADS - 1) % THREADS, round]);
    }

    fn append(&self, own: u8, round: u8) {
        let written = self.world.process.write(self.log, &[own, round]);
        assert_eq!(written.unwrap(), Ok(2));
    }

    /// A file and a directory of its own, with a second descriptor.
    fn make_and_remove(&self, own: u8, round: u8) {
        let process = &self.world.process;
        let (file, directory) = (format!("/file{own}"), format!("/directory{own}"));
        let first = process.open(file.as_bytes(), NEW, 0o644).unwrap().unwrap();
        let second = process.dup(first).unwrap().unwrap();
        assert_eq!(process.write(first, &[own, round, 7]).unwrap(), Ok(3));
        assert_eq!(process.lseek(second, -2, Whence::Current).unwrap(), Ok(1));
        let mut back = [0; 5];
        assert_eq!(process.read(first, &mut back).unwrap(), Ok(2));
        assert_eq!(back[..2], [round, 7]);
        process.close(second).unwrap().unwrap();
        process.close(first).unwrap().unwrap();
        process.mkdir(directory.as_bytes(), 0o755).unwrap().unwrap();
        process.unlink(file.as_bytes()).unwrap().unwrap();
        process.rmdir(directory.as_bytes()).unwrap().unwrap();
    }

    fn run(&self) {
        let process = &self.world.process;
        let pid = process
            .spawn(b"/seven", b"seven\0", b"", &[], Authority::Observe)
            .unwrap();
        let ended = process.wait(pid.unwrap(), 0).unwrap().unwrap();
        assert_eq!((Ok(ended.pid), ended.status), (pid, 7));
    }

    fn write_much(&self, stream: u8) {
        let (_, pipe) = self.streams[usize::from(stream)];
        let written = self.world.process.write(pipe, &much(stream)).unwrap();
        assert_eq!(written, Ok(MUCH as u64));
    }

    fn read_much(&self, stream: u8) {
        let (pipe, _) = self.streams[usize::from(stream)];
        let mut got = Vec::new();
        while got.len() < MUCH {
            let mut piece = vec![0; 40_000];
            let count = self.world.process.read(pipe, &mut piece).unwrap().unwrap();
            got.extend_from_slice(&piece[..count as usize]);
        }
        assert!(got == much(stream), "what was written is read, once");
    }

    /// What is left when all threads have done their work.
    fn check(&self) {
        let process = &self.world.process;
        let mut log = vec![0; 4096];
        let file = process.open(b"/log", READ, 0).unwrap().unwrap();
        let count = process.read(file, &mut log).unwrap().unwrap();
        let mut lines: Vec<&[u8]> = log[..count as usize].chunks(2).collect();
        // Each thread's lines are in their order, whoever came in between.
        lines.sort_by_key(|line| line[0]);
        let expected = (0..THREADS).flat_map(|own| (0..self.rounds).map(move |round| [own, round]));
        assert_eq!(lines, expected.collect::<Vec<_>>());
        for own in 0..THREADS {
            let file = process.stat(format!("/file{own}").as_bytes());
            assert_eq!(file.unwrap().err(), Some(Errno::ENOENT));
        }
        for descriptor in 3..40 {
            let _ = process.close(descriptor).unwrap();
        }
        eventually(|| self.world.files.kept() == 1);
    }
}

fn much(seed: u8) -> Vec<u8> {
    let numbers = (0..MUCH).map(|number| number.wrapping_mul(7 + usize::from(seed)) >> 3);
    numbers.map(|number| number as u8).collect()
}

/// A thread that fails would leave the others waiting for it.
struct EndsWithTheTest;

impl Drop for EndsWithTheTest {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// Lets all threads do their work while Rv6 dies; commits, and deaths to come.
fn run(rounds: u8, deaths: &[Death]) -> (usize, usize) {
    // All of them are threads of one domain.
    let domain = Domain::new();
    let world = domain.run(|| World::of_many(deaths));
    let shared = domain.run(|| Shared::new(&world, rounds));
    thread::scope(|scope| {
        for own in 0..THREADS {
            let shared = &shared;
            scope.spawn(move || {
                let _loud = EndsWithTheTest;
                domain.run(|| shared.work(own));
            });
        }
    });
    domain.run(|| shared.check());
    world.fate()
}

#[test]
fn each_call_of_each_thread_is_made_once() {
    let (commits, _) = run(1, &[]);
    let mut deaths = 0;
    for commit in 0..commits {
        for is_kept in [false, true] {
            let (_, to_come) = run(1, &[Death { commit, is_kept }]);
            deaths += 1 - to_come;
        }
    }
    // How the threads meet differs, and with it the number of commits.
    assert!(deaths > commits, "{deaths} deaths in {commits} commits");
}

#[test]
fn threads_outlive_many_deaths() {
    for is_kept in [false, true] {
        for commit in [2, 3, 4, 5, 7, 11] {
            // As many as a call survives that waits through all of them.
            let (_, to_come) = run(2, &[Death { commit, is_kept }; 8]);
            assert_eq!(to_come, 0);
        }
    }
}
