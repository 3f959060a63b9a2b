//! Bracket expressions: `[abc]`, `[a-z]`, `[!0-9]`, `[[:digit:]]`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::PatternChar;

/// The characters one bracket expression accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    is_negated: bool,
    members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Range(char, char),
    Class(Class),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Alnum,
    Alpha,
    Blank,
    Control,
    Digit,
    Graph,
    Lower,
    Print,
    Punct,
    Space,
    Upper,
    HexDigit,
}

impl Set {
    /// Reads what follows `[`; returns the set and how much it took.
    ///
    /// `None` if there is no closing bracket: then `[` stands for itself.
    pub(crate) fn read(characters: &[PatternChar]) -> Option<(Self, usize)> {
        let mut position = 0;
        let is_negated = characters
            .first()
            .is_some_and(|first| is_plain(*first, '!') || is_plain(*first, '^'));
        if is_negated {
            position += 1;
        }
        let first_member = position;
        let mut members = Vec::new();
        loop {
            let current = *characters.get(position)?;
            // A bracket in first place is a member, not the end.
            if is_plain(current, ']') && position > first_member {
                return Some((
                    Self {
                        is_negated,
                        members,
                    },
                    position + 1,
                ));
            }
            if is_plain(current, '[')
                && let Some((class, length)) = read_class(&characters[position + 1..])
            {
                members.push(Member::Class(class));
                position += 1 + length;
                continue;
            }
            match characters.get(position + 1..position + 3) {
                Some(&[dash, last]) if is_plain(dash, '-') && !is_plain(last, ']') => {
                    members.push(Member::Range(current.character, last.character));
                    position += 3;
                }
                _ => {
                    members.push(Member::Range(current.character, current.character));
                    position += 1;
                }
            }
        }
    }

    pub(crate) fn contains(&self, character: char) -> bool {
        let is_member = self.members.iter().any(|member| match member {
            Member::Range(first, last) => (*first..=*last).contains(&character),
            Member::Class(class) => class.contains(character),
        });
        is_member != self.is_negated
    }
}

fn is_plain(given: PatternChar, character: char) -> bool {
    given == PatternChar::plain(character)
}

/// Reads what follows `[` in `[:name:]`; returns the class and its length.
fn read_class(characters: &[PatternChar]) -> Option<(Class, usize)> {
    let (colon, rest) = characters.split_first()?;
    if !is_plain(*colon, ':') {
        return None;
    }
    let length = rest.iter().position(|given| is_plain(*given, ':'))?;
    if !is_plain(*rest.get(length + 1)?, ']') {
        return None;
    }
    let name: String = rest[..length].iter().map(|given| given.character).collect();
    Some((Class::named(&name)?, length + 3))
}

impl Class {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "alnum" => Class::Alnum,
            "alpha" => Class::Alpha,
            "blank" => Class::Blank,
            "cntrl" => Class::Control,
            "digit" => Class::Digit,
            "graph" => Class::Graph,
            "lower" => Class::Lower,
            "print" => Class::Print,
            "punct" => Class::Punct,
            "space" => Class::Space,
            "upper" => Class::Upper,
            "xdigit" => Class::HexDigit,
            _ => return None,
        })
    }

    fn contains(self, character: char) -> bool {
        match self {
            Class::Alnum => character.is_alphanumeric(),
            Class::Alpha => character.is_alphabetic(),
            Class::Blank => matches!(character, ' ' | '\t'),
            Class::Control => character.is_control(),
            Class::Digit => character.is_ascii_digit(),
            Class::Graph => !character.is_control() && !character.is_whitespace(),
            Class::Lower => character.is_lowercase(),
            Class::Print => !character.is_control(),
            Class::Punct => character.is_ascii_punctuation(),
            Class::Space => character.is_whitespace(),
            Class::Upper => character.is_uppercase(),
            Class::HexDigit => character.is_ascii_hexdigit(),
        }
    }
}
