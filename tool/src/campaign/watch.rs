//! Runs the campaign's system and reads what it reports, as it comes.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use campaign::Outcome;

use crate::error::ToolError;
use crate::progress::Step;
use crate::run::machine::Boot;
use crate::run::session::{self, Capture, Ending, Limit, Proof, Streams};

/// How long a system may say nothing; a fault takes a fraction of a second.
const SILENCE: Duration = Duration::from_secs(45);

/// What was seen of a campaign.
#[derive(Debug)]
pub struct Seen {
    /// What became of each fault.
    pub outcomes: Vec<Outcome>,
    /// Files of the workload and the sums of what they should hold.
    pub kept: Vec<(String, String)>,
    /// The workload came to its end.
    pub is_done: bool,
    /// How the run ended.
    pub ending: Ending,
    /// The kernel's log.
    pub log: String,
    /// Whether the supervisor says that everything was given back.
    pub has_clean_audit: bool,
}

/// Runs it.
pub fn watch(boot: &Boot, faults: u32) -> Result<Seen, ToolError> {
    let lines = Lines {
        shared: Arc::default(),
        rest: Vec::new(),
        step: Step::start(&format!("injecting {faults} faults")),
        faults,
    };
    let shared = Arc::clone(&lines.shared);
    let log = Capture::default();
    let proof = Proof::of(boot.mark.as_deref());
    let streams = Streams {
        console: Box::new(lines),
        log: Box::new(log.clone()),
        is_interactive: false,
        proof: proof.clone(),
    };
    let ending = session::watch(boot.command(), streams, Limit::Silence(SILENCE))?;
    let read = std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Seen {
        outcomes: read.outcomes,
        kept: read.kept,
        is_done: read.is_done,
        ending,
        log: String::from_utf8_lossy(&log.take()).into_owned(),
        has_clean_audit: session::has_clean_audit(&proof.text()),
    })
}

/// What was read so far.
#[derive(Debug, Default)]
struct Read {
    outcomes: Vec<Outcome>,
    kept: Vec<(String, String)>,
    is_done: bool,
}

/// The console of the system.
struct Lines {
    shared: Arc<Mutex<Read>>,
    /// The beginning of a line.
    rest: Vec<u8>,
    step: Step,
    faults: u32,
}

impl Lines {
    fn read(&self, line: &str) {
        let mut read = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(outcome) = line.parse::<Outcome>() {
            read.outcomes.push(outcome);
            self.show(&read.outcomes);
        } else if let Some(kept) = line.strip_prefix("kept ") {
            read.kept.extend(
                kept.split_once(' ')
                    .map(|(path, sum)| (path.to_owned(), sum.to_owned())),
            );
        } else if line == "done" {
            read.is_done = true;
        } else {
            eprintln!("redleaf: the workload says: {line}");
        }
    }

    fn show(&self, outcomes: &[Outcome]) {
        let seen = outcomes.iter().filter(|outcome| outcome.errors > 0).count();
        let (count, faults) = (outcomes.len(), self.faults);
        self.step
            .detail(&format!("{count} of {faults}, {seen} seen by clients"));
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.read(String::from_utf8_lossy(&line).trim_end());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_however_they_are_cut() {
        let mut lines = Lines {
            shared: Arc::default(),
            rest: Vec::new(),
            step: Step::start("reading"),
            faults: 1,
        };
        let text = b"fault 1 nvme panic 1 1 1 0 1 500 0 0 0 900\nkept /a/b 12ef\ndone\n";
        for piece in text.chunks(7) {
            lines.write_all(piece).unwrap();
        }
        let read = lines.shared.lock().unwrap();
        assert_eq!(read.outcomes.len(), 1);
        assert_eq!(read.outcomes[0].recovery_ns, 500);
        assert_eq!(read.kept, [("/a/b".to_owned(), "12ef".to_owned())]);
        assert!(read.is_done);
    }
}
