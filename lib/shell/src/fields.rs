//! Field splitting: cuts expanded text at the characters of `IFS`.

use alloc::string::String;
use alloc::vec::Vec;

use glob_match::PatternChar;

use crate::atoms::{Atom, Atoms, Mark};
use crate::expand::ExpandError;

/// What separates fields while `IFS` is not set.
pub(crate) const DEFAULT_SEPARATORS: &str = " \t\n";

/// One field; its quoted characters are not part of any pattern.
#[derive(Debug, Default)]
pub(crate) struct Field {
    pub(crate) text: String,
    /// Places from which on characters are quoted if they were not, and the other way
    /// round. The first character is not, unless 0 is the first place.
    turns: Vec<usize>,
    is_quoted: bool,
    /// Not all of it stands for itself.
    pub(crate) has_wildcard: bool,
}

impl Field {
    fn push(&mut self, character: char, is_quoted: bool) {
        if is_quoted != self.is_quoted {
            self.turns.push(self.text.len());
            self.is_quoted = is_quoted;
        }
        self.has_wildcard |= !is_quoted && matches!(character, '*' | '?' | '[');
        self.text.push(character);
    }

    /// Its characters, as those of a pattern.
    pub(crate) fn pattern(&self) -> Vec<PatternChar> {
        let mut turns = self.turns.iter().peekable();
        let mut is_quoted = false;
        let characters = self.text.char_indices().map(|(place, character)| {
            if turns.next_if(|turn| **turn == place).is_some() {
                is_quoted = !is_quoted;
            }
            PatternChar {
                character,
                is_quoted,
            }
        });
        characters.collect()
    }
}

/// Splits as POSIX describes it: blanks in `separators` collapse, each other
/// character in it ends exactly one field. `give` is handed one field after the other.
pub(crate) fn split(
    atoms: &Atoms,
    separators: &str,
    give: &mut dyn FnMut(Field) -> Result<(), ExpandError>,
) -> Result<(), ExpandError> {
    let mut splitter = Splitter {
        current: None,
        is_behind_blank: false,
        give,
    };
    for atom in atoms.iter() {
        match atom {
            Atom::Presence => {
                splitter.start();
            }
            Atom::Break => splitter.end()?,
            Atom::Character(character, Mark::Expanded) if separators.contains(character) => {
                splitter.separator(character)?;
            }
            Atom::Character(character, mark) => {
                splitter.start().push(character, mark == Mark::Quoted);
            }
        }
    }
    splitter.end()
}

/// Splits a line as `read` does, into at most `count` fields: the last one has the
/// rest, separators included. A character with `true` was behind a backslash: it
/// separates nothing.
pub fn split_line(line: &[(char, bool)], separators: &str, count: usize) -> Vec<String> {
    let is_separator =
        |(character, is_quoted): (char, bool)| !is_quoted && separators.contains(character);
    let is_blank =
        |given: (char, bool)| is_separator(given) && DEFAULT_SEPARATORS.contains(given.0);
    let text = |part: &[(char, bool)]| part.iter().map(|given| given.0).collect::<String>();
    let blanks = |part: &[(char, bool)]| part.iter().take_while(|given| is_blank(**given)).count();
    let mut fields = Vec::new();
    let mut rest = &line[blanks(line)..];
    while fields.len() + 1 < count && !rest.is_empty() {
        let end = rest.iter().position(|given| is_separator(*given));
        let end = end.unwrap_or(rest.len());
        fields.push(text(&rest[..end]));
        rest = &rest[end..];
        rest = &rest[blanks(rest)..];
        if rest.first().is_some_and(|given| is_separator(*given)) {
            rest = &rest[1..];
            rest = &rest[blanks(rest)..];
        }
    }
    fields.push(text(last_field(rest, &is_separator, &is_blank)));
    fields
}

/// The rest of a line without the blanks behind it, and without the one other
/// separator that ends it if it is a single field.
fn last_field<'l>(
    rest: &'l [(char, bool)],
    is_separator: &dyn Fn((char, bool)) -> bool,
    is_blank: &dyn Fn((char, bool)) -> bool,
) -> &'l [(char, bool)] {
    let trimmed = |part: &'l [(char, bool)]| {
        let kept = part.iter().rposition(|given| !is_blank(*given));
        &part[..kept.map_or(0, |at| at + 1)]
    };
    let rest = trimmed(rest);
    match rest.split_last() {
        Some((last, before)) if is_separator(*last) => {
            let before = trimmed(before);
            match before.iter().any(|given| is_separator(*given)) {
                true => rest,
                false => before,
            }
        }
        _ => rest,
    }
}

struct Splitter<'g> {
    current: Option<Field>,
    /// A blank ended the last field; another separator may belong to it.
    is_behind_blank: bool,
    give: &'g mut dyn FnMut(Field) -> Result<(), ExpandError>,
}

impl Splitter<'_> {
    fn start(&mut self) -> &mut Field {
        self.is_behind_blank = false;
        self.current.get_or_insert_default()
    }

    fn end(&mut self) -> Result<(), ExpandError> {
        self.is_behind_blank = false;
        match self.current.take() {
            Some(field) => (self.give)(field),
            None => Ok(()),
        }
    }

    fn separator(&mut self, character: char) -> Result<(), ExpandError> {
        let is_blank = DEFAULT_SEPARATORS.contains(character);
        if self.current.is_some() {
            self.end()?;
            self.is_behind_blank = is_blank;
        } else if !is_blank && !core::mem::take(&mut self.is_behind_blank) {
            (self.give)(Field::default())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str, separators: &str, count: usize) -> Vec<String> {
        let line: Vec<_> = line.chars().map(|character| (character, false)).collect();
        split_line(&line, separators, count)
    }

    #[test]
    fn a_line_for_read() {
        assert_eq!(fields("  a  b c  ", " ", 2), ["a", "b c"]);
        assert_eq!(fields("a::b", ":", 3), ["a", "", "b"]);
        assert_eq!(fields("a:b:c:", ":", 2), ["a", "b:c:"]);
        assert_eq!(fields("a:b:", ":", 2), ["a", "b"]);
        assert_eq!(fields("a : b", " :", 2), ["a", "b"]);
        assert_eq!(fields("", " ", 2), [""]);
        assert_eq!(fields(" a ", "", 1), [" a "]);
        assert_eq!(fields(":a", ":", 2), ["", "a"]);
    }

    #[test]
    fn what_is_quoted_separates_nothing() {
        let line = [
            ('a', false),
            (' ', true),
            ('b', false),
            (' ', false),
            ('c', false),
        ];
        assert_eq!(split_line(&line, " ", 2), ["a b", "c"]);
    }
}
