//! Programs are started and talked to through pipes.

use campaign::Chance;
use posix::prelude::*;
use posix::process::{self, Command};

use crate::report::Tally;
use crate::work::Work;

/// Bytes that go through a program: a pipe holds them.
const BYTES: usize = 2048;

/// Starts programs.
pub struct Starts {
    chance: Chance,
}

impl Starts {
    /// None started yet.
    pub const fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
        }
    }
}

impl Work for Starts {
    fn round(&mut self, tally: &mut Tally) {
        let byte = self.chance.number().to_le_bytes()[0];
        let sent = [byte; BYTES];
        let ends = tally.does("pipe", || Ok((process::pipe()?, process::pipe()?)));
        let Some(((input, mut to), (mut from, output))) = ends else {
            return;
        };
        let command = Command::new("/bin/cat")
            .descriptor(input.descriptor(), 0)
            .descriptor(output.descriptor(), 1);
        let Some(child) = tally.does("start", || command.spawn()) else {
            return;
        };
        drop((input, output));
        tally.does("write to a pipe", || to.write_all(&sent));
        drop(to);
        let mut back = Vec::new();
        tally.does("read from a pipe", || from.read_to_end(&mut back));
        tally.compares("a pipe", &back, &sent);
        let status = tally.does("wait", || child.wait());
        if status.is_some_and(|status| !status.success()) {
            complain!("cat failed");
            tally.errors += 1;
        }
    }
}
