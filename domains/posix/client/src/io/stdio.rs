//! Standard input, output and error.

use alloc::vec::Vec;

use interfaces::process::Whence;
use runtime::sync::Mutex;

use super::{BufRead, Read, Result, Write};
use crate::fs::{Metadata, read_descriptor, write_all_descriptor, write_descriptor};
use crate::system::{check, system};

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Bytes of output collected before they are written.
const OUTPUT_BYTES: usize = 8 * 1024;

/// Bytes of input read at once.
const INPUT_BYTES: usize = 4 * 1024;

struct Output {
    waiting: Vec<u8>,
    /// Lines are written as they end, because a person watches. `None`: not
    /// known yet.
    is_terminal: Option<bool>,
}

static OUTPUT: Mutex<Output> = Mutex::new(Output {
    waiting: Vec::new(),
    is_terminal: None,
});

struct Input {
    bytes: Vec<u8>,
    start: usize,
}

static INPUT: Mutex<Input> = Mutex::new(Input {
    bytes: Vec::new(),
    start: 0,
});

/// Standard output. To a terminal it is written line by line, else in large
/// pieces; the rest when the program ends.
#[derive(Clone, Copy, Debug)]
pub struct Stdout;

/// Standard error, unbuffered.
#[derive(Clone, Copy, Debug)]
pub struct Stderr;

/// Standard input. All values share one buffer.
#[derive(Debug)]
pub struct Stdin {
    /// Bytes taken from the shared buffer for `BufRead`.
    taken: Vec<u8>,
    start: usize,
}

/// Standard output.
#[must_use]
pub const fn stdout() -> Stdout {
    Stdout
}

/// Standard error.
#[must_use]
pub const fn stderr() -> Stderr {
    Stderr
}

/// Standard input.
#[must_use]
pub const fn stdin() -> Stdin {
    Stdin {
        taken: Vec::new(),
        start: 0,
    }
}

impl Write for Stdout {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        let mut output = OUTPUT.lock();
        let is_terminal = *output
            .is_terminal
            .get_or_insert_with(|| matches!(system().isatty(STDOUT), Ok(Ok(1))));
        output.waiting.extend_from_slice(from);
        let ready = match is_terminal {
            true => output
                .waiting
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1),
            false => 0,
        };
        let ready = if output.waiting.len() >= OUTPUT_BYTES {
            output.waiting.len()
        } else {
            ready
        };
        if ready > 0 {
            let rest = output.waiting.split_off(ready);
            let waiting = core::mem::replace(&mut output.waiting, rest);
            drop(output);
            write_all_descriptor(STDOUT, &waiting)?;
        }
        Ok(from.len())
    }

    fn flush(&mut self) -> Result<()> {
        let waiting = core::mem::take(&mut OUTPUT.lock().waiting);
        write_all_descriptor(STDOUT, &waiting)
    }
}

/// Writes what is left of standard output.
pub(crate) fn flush_stdout() -> Result<()> {
    stdout().flush()
}

/// Gives back what was read ahead of standard input where it can be given back:
/// programs that share its offset go on where this one stopped.
pub(crate) fn give_back_stdin() {
    let mut input = INPUT.lock();
    let ahead = input.bytes.len() - input.start;
    if ahead > 0 {
        input.bytes.clear();
        input.start = 0;
        let back = i64::try_from(ahead).map_or(0, |ahead| -ahead);
        // A pipe or a terminal has no offset: what was read of it is gone.
        let _ = system().lseek(STDIN, back, Whence::Current);
    }
}

impl Stdout {
    /// Whether it is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(system().isatty(STDOUT), Ok(Ok(1)))
    }
}

impl Stdout {
    /// What is known of the file it is.
    ///
    /// # Errors
    /// As `fstat`.
    pub fn metadata(&self) -> Result<Metadata> {
        crate::fs::descriptor_metadata(STDOUT)
    }
}

impl Write for Stderr {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        // What was printed before an error comes before it.
        let _ = flush_stdout();
        write_descriptor(STDERR, from)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Stdin {
    /// What is known of the file it is.
    ///
    /// # Errors
    /// As `fstat`.
    pub fn metadata(&self) -> Result<Metadata> {
        crate::fs::descriptor_metadata(STDIN)
    }

    /// Whether it is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(system().isatty(STDIN), Ok(Ok(1)))
    }

    /// Reads without buffering ahead, so that programs started later find the
    /// input where this one stopped.
    ///
    /// # Errors
    /// As `read`.
    pub fn read_unbuffered(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut input = INPUT.lock();
        let waiting = &input.bytes[input.start..];
        if !waiting.is_empty() {
            let count = waiting.len().min(into.len());
            into[..count].copy_from_slice(&waiting[..count]);
            input.start += count;
            return Ok(count);
        }
        drop(input);
        read_descriptor(STDIN, into)
    }
}

impl Read for Stdin {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut available = self.fill_buf()?;
        let count = available.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Stdin {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.start >= self.taken.len() {
            let mut input = INPUT.lock();
            let start = core::mem::take(&mut input.start);
            self.taken = core::mem::take(&mut input.bytes);
            self.start = start;
        }
        if self.start >= self.taken.len() {
            // A terminal asks for input when everything before is to be seen. Who cannot
            // be shown it needs no more input: a filter ends with who reads from it.
            if let Err(error) = flush_stdout() {
                crate::process::end_for_output(&error);
            }
            self.start = 0;
            self.taken.resize(INPUT_BYTES, 0);
            let count = check(system().read(STDIN, &mut self.taken));
            let length = count
                .as_ref()
                .map_or(0, |count| usize::try_from(*count).unwrap_or(0));
            self.taken.truncate(length);
            count?;
        }
        Ok(&self.taken[self.start..])
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
    }
}

impl Drop for Stdin {
    /// What was read ahead is left to the next value.
    fn drop(&mut self) {
        if self.start < self.taken.len() {
            let mut input = INPUT.lock();
            let start = input.start;
            let behind = input.bytes.split_off(start);
            let mut bytes = self.taken.split_off(self.start);
            bytes.extend_from_slice(&behind);
            input.bytes = bytes;
            input.start = 0;
        }
    }
}
