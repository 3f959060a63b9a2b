//! Shell patterns: `*`, `?` and `[set]`, with quoted characters kept literal.
//!
//! Published matchers treat `/` and `{a,b}` as special, which is wrong for
//! `case` and `${name%pattern}`, or know no sets; and none can be told that a
//! single character was quoted. Hence this one. It follows POSIX, "Pattern
//! Matching Notation", without collating symbols and equivalence classes.
//!
//! Matching is iterative and takes at most `pattern × text` steps: a hostile
//! pattern cannot make it recurse or explode.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod set;

use alloc::string::String;
use alloc::vec::Vec;

use set::Set;

/// One character of a pattern as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternChar {
    /// The character.
    pub character: char,
    /// It was quoted, so it stands for itself whatever it is.
    pub is_quoted: bool,
}

impl PatternChar {
    /// A character that may have a special meaning.
    pub const fn plain(character: char) -> Self {
        Self {
            character,
            is_quoted: false,
        }
    }

    /// A character that stands for itself.
    pub const fn quoted(character: char) -> Self {
        Self {
            character,
            is_quoted: true,
        }
    }
}

/// A pattern ready to be matched against any number of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    elements: Vec<Element>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Literal(char),
    AnyCharacter,
    AnySequence,
    OneOf(Set),
}

impl Pattern {
    /// Reads a pattern in which a backslash quotes the next character.
    ///
    /// A backslash at the very end stands for itself.
    pub fn parse(text: &str) -> Self {
        let mut characters = Vec::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            characters.push(if character == '\\' {
                PatternChar::quoted(rest.next().unwrap_or('\\'))
            } else {
                PatternChar::plain(character)
            });
        }
        Self::from_characters(&characters)
    }

    /// Reads a pattern whose quoting has already been worked out.
    pub fn from_characters(characters: &[PatternChar]) -> Self {
        let mut elements = Vec::with_capacity(characters.len());
        let mut position = 0;
        while let Some(&current) = characters.get(position) {
            position += 1;
            let element = match current {
                PatternChar {
                    character,
                    is_quoted: true,
                } => Element::Literal(character),
                PatternChar { character: '?', .. } => Element::AnyCharacter,
                PatternChar { character: '*', .. } => Element::AnySequence,
                PatternChar { character: '[', .. } => match Set::read(&characters[position..]) {
                    Some((set, length)) => {
                        position += length;
                        Element::OneOf(set)
                    }
                    None => Element::Literal('['),
                },
                PatternChar { character, .. } => Element::Literal(character),
            };
            elements.push(element);
        }
        Self { elements }
    }

    /// The only text this pattern matches, if it has no wildcard.
    pub fn as_literal(&self) -> Option<String> {
        self.elements
            .iter()
            .map(|element| match element {
                Element::Literal(character) => Some(*character),
                _ => None,
            })
            .collect()
    }

    /// Whether the pattern begins with this very character, not a wildcard.
    pub fn starts_with_literal(&self, character: char) -> bool {
        self.elements.first() == Some(&Element::Literal(character))
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let mut element = 0;
        let mut rest = text;
        // Where to go on when the newest `*` has to swallow one more character.
        let mut retry: Option<(usize, &str)> = None;
        loop {
            match self.elements.get(element) {
                Some(Element::AnySequence) => {
                    element += 1;
                    retry = Some((element, rest));
                    continue;
                }
                None if rest.is_empty() => return true,
                Some(single) => {
                    let mut characters = rest.chars();
                    if characters.next().is_some_and(|next| single.accepts(next)) {
                        element += 1;
                        rest = characters.as_str();
                        continue;
                    }
                }
                None => {}
            }
            let Some((after_star, from)) = retry else {
                return false;
            };
            let mut characters = from.chars();
            if characters.next().is_none() {
                return false;
            }
            element = after_star;
            rest = characters.as_str();
            retry = Some((after_star, rest));
        }
    }

    /// Length in bytes of the shortest or longest prefix that matches.
    pub fn matching_prefix(&self, text: &str, longest: bool) -> Option<usize> {
        let matches = |&end: &usize| self.matches(&text[..end]);
        let mut ends = boundaries(text);
        if longest {
            ends.rev().find(matches)
        } else {
            ends.find(matches)
        }
    }

    /// Where the shortest or longest suffix that matches begins.
    pub fn matching_suffix(&self, text: &str, longest: bool) -> Option<usize> {
        let matches = |&start: &usize| self.matches(&text[start..]);
        let mut starts = boundaries(text);
        if longest {
            starts.find(matches)
        } else {
            starts.rev().find(matches)
        }
    }
}

impl Element {
    fn accepts(&self, character: char) -> bool {
        match self {
            Element::Literal(own) => *own == character,
            Element::AnyCharacter => true,
            Element::OneOf(set) => set.contains(character),
            Element::AnySequence => false,
        }
    }
}

/// Every character boundary of `text`, both ends included, in order.
fn boundaries(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    text.char_indices()
        .map(|(at, _)| at)
        .chain(core::iter::once(text.len()))
}

#[cfg(test)]
mod tests;
