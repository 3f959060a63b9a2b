//! Threads of one process append to a file, talk through pipes and make files.

use alloc::sync::Arc;

use posix::fs::{self, File, OpenOptions};
use posix::prelude::*;
use posix::process;
use runtime::sync::{Condvar, Mutex};
use runtime::thread::{self, Priority};

use crate::report::Tally;
use crate::work::Work;

const THREADS: u8 = 3;
/// What each thread does so often in a round.
const STEPS: u8 = 8;
/// Bytes that say which thread and step.
const ENTRY: usize = 2;

/// Starts threads in each round and waits for them.
pub struct Threads {
    directory: String,
}

impl Threads {
    /// Threads that work in an empty directory.
    pub const fn new(directory: String) -> Self {
        Self { directory }
    }

    fn start(&self, log: &str, tally: &mut Tally) -> Option<Arc<Ended>> {
        let mut ring = Vec::new();
        for _ in 0..THREADS {
            ring.push(tally.does("pipe", process::pipe)?);
        }
        let (from, mut to): (Vec<File>, Vec<File>) = ring.into_iter().unzip();
        to.rotate_left(1);
        let ended = Arc::new(Ended::default());
        for (own, (from, to)) in (0..THREADS).zip(from.into_iter().zip(to)) {
            let options = OpenOptions::new().append(true).create(true);
            let log = tally.does("open a log", || options.open(log))?;
            let path = format!("{}/{own}", self.directory);
            let ends = Ends { from, to, log };
            let note = Arc::clone(&ended);
            let work = move || note.add(work(own, &path, ends));
            let started = thread::spawn("worker", Priority::Normal, work);
            if started.is_err() {
                complain!("a thread cannot be started");
                tally.errors += 1;
                return None;
            }
        }
        Some(ended)
    }
}

impl Work for Threads {
    fn round(&mut self, tally: &mut Tally) {
        let log = format!("{}/log", self.directory);
        let Some(ended) = self.start(&log, tally) else {
            return;
        };
        ended.wait(tally);
        let Some(mut found) = tally.does("read a log", || fs::read(&log)) else {
            return;
        };
        tally.does("remove a log", || fs::remove_file(&log));
        if tally.errors == 0 {
            // Each thread's entries are in their order, whoever came in between.
            let (entries, _) = found.as_chunks_mut::<ENTRY>();
            entries.sort_by_key(|entry| entry[0]);
            let steps = |own| (0..STEPS).flat_map(move |step| [own, step]);
            let expected: Vec<u8> = (0..THREADS).flat_map(steps).collect();
            tally.compares("a log", &found, &expected);
        }
    }
}

/// What a thread has open.
struct Ends {
    from: File,
    to: File,
    log: File,
}

/// What threads that have ended came to. Their pipes stay open until all have:
/// where one fails, the others are not to fail for that.
#[derive(Default)]
struct Ended {
    tallies: Mutex<Vec<(Tally, Ends)>>,
    changed: Condvar,
}

impl Ended {
    fn add(&self, one: (Tally, Ends)) {
        self.tallies.lock().push(one);
        self.changed.notify_all();
    }

    fn wait(&self, tally: &mut Tally) {
        let mut tallies = self.tallies.lock();
        while tallies.len() < usize::from(THREADS) {
            tallies = self.changed.wait(tallies);
        }
        for (one, ends) in tallies.drain(..) {
            tally.add(&one);
            drop(ends);
        }
    }
}

/// What a thread does in a round.
fn work(own: u8, path: &str, mut ends: Ends) -> (Tally, Ends) {
    let mut tally = Tally::default();
    for step in 0..STEPS {
        let entry = [own, step];
        tally.does("append", || ends.log.write_all(&entry));
        tally.does("write to a pipe", || ends.to.write_all(&entry));
        let options = OpenOptions::new().write(true).create_new(true);
        if tally.does("make", || options.open(path)).is_some() {
            tally.does("remove", || fs::remove_file(path));
        }
        let mut got = [0; ENTRY];
        tally.does("read from a pipe", || ends.from.read_exact(&mut got));
        let previous = (own + THREADS - 1) % THREADS;
        tally.compares("a pipe", &got, &[previous, step]);
    }
    (tally, ends)
}
