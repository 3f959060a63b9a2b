//! Expanded text before splitting: characters that remember their origin.
//!
//! A text may be as long as its word may become, so what is remembered is kept for
//! runs of characters: a byte of text takes a byte.

use alloc::string::String;
use alloc::vec::Vec;

use glob_match::PatternChar;

use crate::expand::ExpandError;

/// Where a character came from; decides what may still happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Quoted: stays as it is.
    Quoted,
    /// Written in the script: may be a pattern, does not separate fields.
    Literal,
    /// From an unquoted expansion: may be a pattern and may separate fields.
    Expanded,
}

/// The unit of field splitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atom {
    Character(char, Mark),
    /// Quotes: there is a field here, even if nothing is in it.
    Presence,
    /// A new field begins, whatever `IFS` is.
    Break,
}

/// Characters of one origin, or what stands between characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// So many bytes of the text.
    Text(Mark, usize),
    Presence,
    Break,
}

/// An expanded text that is never longer than it may be.
#[derive(Debug)]
pub(crate) struct Atoms {
    text: String,
    runs: Vec<Run>,
    limit: usize,
}

impl Atoms {
    /// Nothing yet, and never more than `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            runs: Vec::new(),
            limit,
        }
    }

    pub(crate) fn is_same_as(&self, before: (usize, usize)) -> bool {
        self.place() == before
    }

    /// Where it ends, to be compared by [`Self::is_same_as`].
    pub(crate) fn place(&self) -> (usize, usize) {
        (self.text.len(), self.runs.len())
    }

    /// Bytes that may still be added.
    pub(crate) fn room(&self) -> usize {
        let used = self.text.len() + self.runs.len() * size_of::<Run>();
        self.limit.saturating_sub(used)
    }

    pub(crate) fn presence(&mut self) -> Result<(), ExpandError> {
        self.add(Run::Presence)
    }

    /// Begins a new field.
    pub(crate) fn separate(&mut self) -> Result<(), ExpandError> {
        self.add(Run::Break)
    }

    pub(crate) fn text(&mut self, text: &str, mark: Mark) -> Result<(), ExpandError> {
        if text.is_empty() {
            return Ok(());
        }
        self.reserve(text.len())?;
        match self.runs.last_mut() {
            Some(Run::Text(last, bytes)) if *last == mark => *bytes += text.len(),
            _ => self.add(Run::Text(mark, text.len()))?,
        }
        self.text.push_str(text);
        Ok(())
    }

    /// Makes room for more text, but for no more than there may be.
    fn reserve(&mut self, bytes: usize) -> Result<(), ExpandError> {
        let room = self.room();
        if bytes > room {
            return Err(ExpandError::TooLong);
        }
        if self.text.capacity() - self.text.len() >= bytes {
            return Ok(());
        }
        // Doubling, as `push_str` would, could be twice what is allowed.
        let more = self.text.len().clamp(bytes, room);
        let reserved = self.text.try_reserve_exact(more);
        reserved.map_err(|_| ExpandError::TooLong)
    }

    fn add(&mut self, run: Run) -> Result<(), ExpandError> {
        if self.room() < size_of::<Run>() || self.runs.try_reserve(1).is_err() {
            return Err(ExpandError::TooLong);
        }
        self.runs.push(run);
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Atom> {
        let mut rest = self.text.as_str();
        self.runs.iter().flat_map(move |run| {
            let (alone, mark, bytes) = match *run {
                Run::Text(mark, bytes) => (None, mark, bytes),
                Run::Presence => (Some(Atom::Presence), Mark::Quoted, 0),
                Run::Break => (Some(Atom::Break), Mark::Quoted, 0),
            };
            let (own, behind) = rest.split_at(bytes);
            rest = behind;
            let characters = own.chars().map(move |one| Atom::Character(one, mark));
            alone.into_iter().chain(characters)
        })
    }

    /// The text without its marks; breaks become spaces.
    pub(crate) fn into_text(self) -> String {
        if !self.runs.contains(&Run::Break) {
            return self.text;
        }
        let shown = self.iter().filter_map(|atom| match atom {
            Atom::Character(character, _) => Some(character),
            Atom::Presence => None,
            Atom::Break => Some(' '),
        });
        let breaks = self.runs.iter().filter(|run| **run == Run::Break).count();
        let mut text = String::with_capacity(self.text.len() + breaks);
        text.extend(shown);
        text
    }

    /// The text as a pattern, in which quoted characters are literal.
    pub(crate) fn to_pattern(&self) -> Result<Vec<PatternChar>, ExpandError> {
        if self.text.len() > self.limit / PATTERN_COST {
            return Err(ExpandError::TooLong);
        }
        let characters = self.iter().filter_map(|atom| match atom {
            Atom::Character(character, mark) => Some(PatternChar {
                character,
                is_quoted: mark == Mark::Quoted,
            }),
            Atom::Presence => None,
            Atom::Break => Some(PatternChar::quoted(' ')),
        });
        Ok(characters.collect())
    }
}

/// Bytes that a character takes as an element of a pattern, and some more.
const PATTERN_COST: usize = 64;
