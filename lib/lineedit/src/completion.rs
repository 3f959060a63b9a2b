//! Completion: the caller's candidates, and how they are laid out.

use alloc::string::String;
use alloc::vec::Vec;

use crate::width::text_columns;

/// What could stand in place of the text before the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Where in the line, in bytes, the text to be replaced begins.
    pub start: usize,
    /// Full replacements for the text from `start` to the cursor.
    pub candidates: Vec<String>,
}

/// Knows what can be completed.
pub trait Completer {
    /// Candidates for the text that ends at byte `cursor` of `line`.
    ///
    /// A single candidate is inserted as it is: a space or slash that should
    /// follow it is part of it.
    fn complete(&mut self, line: &str, cursor: usize) -> Completion;
}

/// Completes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCompletion;

impl Completer for NoCompletion {
    fn complete(&mut self, _line: &str, _cursor: usize) -> Completion {
        Completion::default()
    }
}

impl Completion {
    /// The longest text all candidates begin with.
    pub(crate) fn common_prefix(&self) -> &str {
        let Some((first, others)) = self.candidates.split_first() else {
            return "";
        };
        let mut length = first.len();
        for other in others {
            let common = first
                .char_indices()
                .zip(other.chars())
                .find(|((_, one), two)| one != two)
                .map_or(first.len().min(other.len()), |((at, _), _)| at);
            length = length.min(common);
        }
        &first[..length]
    }

    /// The candidates in columns, for a terminal this wide.
    pub(crate) fn table(&self, width: usize) -> String {
        let shown: Vec<String> = self
            .candidates
            .iter()
            .map(|candidate| candidate.trim_end().replace(char::is_control, "?"))
            .collect();
        let widest = shown.iter().map(|name| text_columns(name)).max();
        let cell = widest.unwrap_or(0) + 2;
        let per_row = (width / cell).max(1);
        let rows = shown.len().div_ceil(per_row);
        let mut table = String::new();
        for row in 0..rows {
            let mut padding = 0;
            for name in shown.iter().skip(row).step_by(rows) {
                table.extend(core::iter::repeat_n(' ', padding));
                table.push_str(name);
                padding = cell - text_columns(name);
            }
            table.push_str("\r\n");
        }
        table
    }
}
