//! The line being edited and its cursor.

use alloc::string::String;
use core::ops::Range;

use crate::width::{is_combining, next_boundary, previous_boundary};

/// Text without control characters, and a cursor between two characters.
///
/// Combining marks are never separated from the character they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buffer {
    text: String,
    /// In bytes.
    cursor: usize,
}

impl Buffer {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Replaces everything; the cursor goes to the end.
    pub(crate) fn set(&mut self, text: &str) {
        self.text.clear();
        self.cursor = 0;
        self.insert(text);
    }

    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        core::mem::take(&mut self.text)
    }

    /// Bytes of the longest line.
    pub(crate) const LIMIT: usize = 128 * 1024;

    /// Inserts at the cursor, leaving out what has no place in a line.
    pub(crate) fn insert(&mut self, text: &str) {
        for character in text.chars() {
            let has_no_base = is_combining(character) && self.cursor == 0;
            let has_room = self.text.len() + character.len_utf8() <= Self::LIMIT;
            if !character.is_control() && !has_no_base && has_room {
                self.text.insert(self.cursor, character);
                self.cursor += character.len_utf8();
            }
        }
    }

    /// Replaces the text from `start` to the cursor.
    pub(crate) fn replace_from(&mut self, start: usize, text: &str) {
        self.remove(start..self.cursor);
        self.insert(text);
    }

    /// Removes a range that touches the cursor; returns it.
    pub(crate) fn remove(&mut self, range: Range<usize>) -> String {
        let removed = self.text.drain(range.clone()).collect();
        self.cursor = range.start;
        removed
    }

    pub(crate) fn move_to(&mut self, cursor: usize) {
        self.cursor = cursor;
    }

    pub(crate) fn left(&self) -> usize {
        previous_boundary(&self.text, self.cursor)
    }

    pub(crate) fn right(&self) -> usize {
        next_boundary(&self.text, self.cursor)
    }

    /// The beginning of the word at or before the cursor.
    pub(crate) fn word_left(&self) -> usize {
        let at = self.skip_left(self.cursor, |character| !is_word(character));
        self.skip_left(at, is_word)
    }

    /// The end of the word at or behind the cursor.
    pub(crate) fn word_right(&self) -> usize {
        let at = self.skip_right(self.cursor, |character| !is_word(character));
        self.skip_right(at, is_word)
    }

    /// As [`Buffer::word_left`], but only blanks separate words.
    pub(crate) fn blank_word_left(&self) -> usize {
        let at = self.skip_left(self.cursor, char::is_whitespace);
        self.skip_left(at, |character| !character.is_whitespace())
    }

    fn skip_left(&self, mut at: usize, accept: impl Fn(char) -> bool) -> usize {
        while at > 0 {
            let previous = previous_boundary(&self.text, at);
            if !self.text[previous..].starts_with(&accept) {
                break;
            }
            at = previous;
        }
        at
    }

    fn skip_right(&self, mut at: usize, accept: impl Fn(char) -> bool) -> usize {
        while self.text[at..].starts_with(&accept) {
            at = next_boundary(&self.text, at);
        }
        at
    }

    /// Exchanges the characters before and at the cursor; at the end of the
    /// line, the last two.
    pub(crate) fn transpose(&mut self) -> bool {
        let middle = if self.cursor == self.text.len() {
            self.left()
        } else {
            self.cursor
        };
        if middle == 0 {
            return false;
        }
        let start = previous_boundary(&self.text, middle);
        let end = next_boundary(&self.text, middle);
        let first: String = self.text.drain(start..middle).collect();
        let position = start + (end - middle);
        self.text.insert_str(position, &first);
        self.cursor = end;
        true
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
