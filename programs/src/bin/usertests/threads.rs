//! Threads of one process make calls that may not be made twice, at once.
//!
//! Each passes tokens round a ring of pipes, appends to one file, and makes, reads
//! and removes a file of its own, until it is told to stop. Then everything must
//! have happened once: whoever runs this may let Rv6 die meanwhile.

use alloc::sync::Arc;

use posix::fs::{self, File, OpenOptions};
use posix::io::SeekFrom;
use posix::prelude::*;
use posix::process;
use posix::time::{Duration, Instant};
use runtime::sync::{Condvar, Mutex};
use runtime::thread::{self, Priority};

use crate::failure::{Failure, Outcome};
use crate::{Test, check, same};

pub const TESTS: &[Test] = &[Test {
    name: "threads",
    run: quick,
}];

const THREADS: u8 = 4;
const LOG: &str = "log";

/// How many bytes say which thread and round.
const ENTRY: usize = 5;

fn quick() -> Outcome {
    let end = Instant::now();
    work_until(move || end.elapsed() > Duration::from_millis(50))
}

/// Lets threads work until there is a file with this name.
pub fn work_until_there_is(file: String) -> Outcome {
    work_until(move || fs::exists(&file))
}

fn work_until(is_over: impl Fn() -> bool + Send + 'static) -> Outcome {
    File::create(LOG)?;
    let mut ring = Vec::new();
    for _ in 0..THREADS {
        ring.push(process::pipe()?);
    }
    let (from, mut to): (Vec<File>, Vec<File>) = ring.into_iter().unzip();
    to.rotate_left(1);
    let ends = Arc::new(Ends::default());
    let mut is_over: Option<Box<dyn Fn() -> bool + Send>> = Some(Box::new(is_over));
    for (own, (from, to)) in (0..THREADS).zip(from.into_iter().zip(to)) {
        let mut worker = Worker {
            own,
            from,
            to,
            log: OpenOptions::new().append(true).open(LOG)?,
            is_over: is_over.take(),
        };
        let ends = Arc::clone(&ends);
        let code = move || {
            let done = worker.work();
            if let Err(failure) = &done {
                // The others may not come to an end without this one.
                complain!("thread {own}: {failure}");
            }
            ends.note(done);
        };
        let started = thread::spawn("worker", Priority::Normal, code);
        check!(started.is_ok());
    }
    let rounds = ends.wait()?;
    check!(rounds > 0);
    check_log(rounds)
}

/// What the threads came to.
#[derive(Default)]
struct Ends {
    rounds: Mutex<Vec<Result<u32, Failure>>>,
    changed: Condvar,
}

impl Ends {
    fn note(&self, rounds: Result<u32, Failure>) {
        self.rounds.lock().push(rounds);
        self.changed.notify_all();
    }

    /// Waits for all of them; how many rounds each has made.
    fn wait(&self) -> Result<u32, Failure> {
        let mut rounds = self.rounds.lock();
        while rounds.len() < usize::from(THREADS) && rounds.iter().all(Result::is_ok) {
            rounds = self.changed.wait(rounds);
        }
        let mut all = rounds.drain(..).collect::<Result<Vec<u32>, _>>()?;
        all.dedup();
        same!(all.len(), 1);
        Ok(all[0])
    }
}

struct Worker {
    own: u8,
    from: File,
    to: File,
    log: File,
    /// The first one is told when to stop, and tells the others.
    is_over: Option<Box<dyn Fn() -> bool + Send>>,
}

impl Worker {
    fn work(&mut self) -> Result<u32, Failure> {
        let mut round = 0;
        loop {
            let goes_on = self.pass_on(round)?;
            self.log.write_all(&entry(self.own, round))?;
            self.make_and_remove(round)?;
            round += 1;
            if !goes_on {
                return Ok(round);
            }
        }
    }

    /// Passes a token on, with the news whether there is another round.
    fn pass_on(&mut self, round: u32) -> Result<bool, Failure> {
        let mut token = [0; ENTRY];
        if let Some(is_over) = &self.is_over {
            let goes_on = !is_over();
            let sent = entry(u8::from(goes_on), round);
            self.to.write_all(&sent)?;
            self.from.read_exact(&mut token)?;
            same!(token, sent);
            return Ok(goes_on);
        }
        self.from.read_exact(&mut token)?;
        self.to.write_all(&token)?;
        check!(token[1..] == round.to_le_bytes());
        Ok(token[0] != 0)
    }

    fn make_and_remove(&self, round: u32) -> Outcome {
        let (first, second) = (format!("{}-{round}", self.own), format!("{}", self.own));
        let contents = entry(self.own, round);
        let options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(&first)?;
        file.write_all(&contents)?;
        file.seek(SeekFrom::Start(0))?;
        let mut back = Vec::new();
        file.read_to_end(&mut back)?;
        same!(back, contents);
        drop(file);
        fs::rename(&first, &second)?;
        fs::remove_file(&second)?;
        Ok(())
    }
}

fn entry(first: u8, round: u32) -> [u8; ENTRY] {
    let mut entry = [first; ENTRY];
    entry[1..].copy_from_slice(&round.to_le_bytes());
    entry
}

/// Every thread has appended once in each round, in the order of its rounds.
fn check_log(rounds: u32) -> Outcome {
    let log = fs::read(LOG)?;
    same!(log.len(), ENTRY * usize::from(THREADS) * rounds as usize);
    let mut next = [0; THREADS as usize];
    for found in log.chunks_exact(ENTRY) {
        check!(found[0] < THREADS);
        let round = &mut next[usize::from(found[0])];
        same!(found, entry(found[0], *round));
        *round += 1;
    }
    fs::remove_file(LOG)?;
    Ok(())
}
