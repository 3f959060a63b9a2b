//! Field splitting: cuts expanded text at the characters of `IFS`.

use alloc::vec::Vec;

use glob_match::PatternChar;

use crate::atoms::{Atom, Mark, pattern_char};

/// What separates fields while `IFS` is not set.
pub(crate) const DEFAULT_SEPARATORS: &str = " \t\n";

/// One field; its quoted characters are not part of any pattern.
pub(crate) type Field = Vec<PatternChar>;

/// Splits as POSIX describes it: blanks in `separators` collapse, each other
/// character in it ends exactly one field.
pub(crate) fn split(atoms: &[Atom], separators: &str) -> Vec<Field> {
    let mut splitter = Splitter::default();
    for atom in atoms {
        match *atom {
            Atom::Presence => splitter.start(),
            Atom::Break => splitter.end(),
            Atom::Character(character, Mark::Expanded) if separators.contains(character) => {
                splitter.separator(character);
            }
            Atom::Character(character, mark) => {
                splitter.start();
                if let Some(field) = &mut splitter.current {
                    field.push(pattern_char(character, mark));
                }
            }
        }
    }
    splitter.end();
    splitter.fields
}

#[derive(Default)]
struct Splitter {
    fields: Vec<Field>,
    current: Option<Field>,
    /// A blank ended the last field; another separator may belong to it.
    is_behind_blank: bool,
}

impl Splitter {
    fn start(&mut self) {
        self.current.get_or_insert_default();
        self.is_behind_blank = false;
    }

    fn end(&mut self) {
        self.fields.extend(self.current.take());
        self.is_behind_blank = false;
    }

    fn separator(&mut self, character: char) {
        let is_blank = DEFAULT_SEPARATORS.contains(character);
        if self.current.is_some() {
            self.end();
            self.is_behind_blank = is_blank;
        } else if !is_blank && !core::mem::take(&mut self.is_behind_blank) {
            self.fields.push(Field::new());
        }
    }
}
