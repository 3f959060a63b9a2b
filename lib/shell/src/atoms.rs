//! Expanded text before splitting: characters that remember their origin.

use alloc::string::String;
use alloc::vec::Vec;

use glob_match::PatternChar;

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

/// The text without its marks; breaks become spaces.
pub(crate) fn to_text(atoms: &[Atom]) -> String {
    atoms
        .iter()
        .filter_map(|atom| match atom {
            Atom::Character(character, _) => Some(*character),
            Atom::Presence => None,
            Atom::Break => Some(' '),
        })
        .collect()
}

/// The text as a pattern, in which quoted characters are literal.
pub(crate) fn to_pattern(atoms: &[Atom]) -> Vec<PatternChar> {
    atoms
        .iter()
        .filter_map(|atom| match *atom {
            Atom::Character(character, mark) => Some(pattern_char(character, mark)),
            Atom::Presence => None,
            Atom::Break => Some(PatternChar::quoted(' ')),
        })
        .collect()
}

pub(crate) fn pattern_char(character: char, mark: Mark) -> PatternChar {
    PatternChar {
        character,
        is_quoted: mark == Mark::Quoted,
    }
}
