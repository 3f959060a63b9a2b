//! Lines entered before, oldest first.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};

/// Remembers a bounded number of lines.
#[derive(Clone, Debug)]
pub struct History {
    lines: VecDeque<String>,
    capacity: usize,
    /// Of all lines together.
    bytes: usize,
}

/// Bytes remembered at most.
const BYTES_LIMIT: usize = 1 << 20;

impl Default for History {
    fn default() -> Self {
        Self::new(1000)
    }
}

impl History {
    /// Remembers nothing yet, and never more than `capacity` lines.
    pub const fn new(capacity: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            capacity,
            bytes: 0,
        }
    }

    /// Adds a line, unless it is blank or repeats the newest.
    pub fn add(&mut self, line: &str) {
        let is_repeated = self.lines.back().is_some_and(|newest| newest == line);
        if line.trim().is_empty() || is_repeated || self.capacity == 0 {
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.to_string());
        while self.lines.len() > self.capacity || self.bytes > BYTES_LIMIT {
            let forgotten = self.lines.pop_front();
            self.bytes -= forgotten.map_or(self.bytes, |line| line.len());
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        self.lines.get(index).map(String::as_str)
    }

    /// The newest line before index `before` that contains `query`, and the
    /// last place in it.
    pub(crate) fn search(&self, query: &str, before: usize) -> Option<(usize, usize)> {
        (0..before.min(self.lines.len()))
            .rev()
            .find_map(|index| Some((index, self.lines[index].rfind(query)?)))
    }
}
