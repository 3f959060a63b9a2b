//! POSIX's basic regular expressions, in the syntax of the regex crate.

use posix::prelude::*;
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

/// Bytes instead of characters: no tables, and texts need not be UTF-8.
pub fn syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

/// As [`syntax()`].
pub fn thompson() -> thompson::Config {
    thompson::Config::new().utf8(false)
}

/// A basic regular expression of POSIX in the extended syntax: there `\(` is a
/// group and `(` a character, and the other way round here.
pub fn from_basic(text: &str) -> String {
    let mut extended = String::new();
    let mut rest = text.chars().peekable();
    let mut is_start = true;
    while let Some(character) = rest.next() {
        let was_start = core::mem::take(&mut is_start);
        match character {
            '\\' => match rest.next() {
                Some(special @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => {
                    extended.push(special);
                    is_start = matches!(special, '(' | '|');
                }
                Some('<' | '>') => extended.push_str(r"\b"),
                Some(other) => extended.extend(['\\', other]),
                None => extended.push_str(r"\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => extended.extend(['\\', character]),
            '*' if was_start => extended.push_str(r"\*"),
            '^' if !was_start => extended.push_str(r"\^"),
            '^' => {
                extended.push('^');
                is_start = true;
            }
            '$' if rest.peek().is_some_and(|next| *next != '\\') => extended.push_str(r"\$"),
            '[' => copy_set(&mut rest, &mut extended),
            other => extended.push(other),
        }
    }
    extended
}

/// Copies a bracket expression behind its opening bracket; in it a backslash
/// is a character like any other.
fn copy_set(rest: &mut core::iter::Peekable<core::str::Chars<'_>>, extended: &mut String) {
    extended.push('[');
    extended.extend(rest.next_if_eq(&'^'));
    if rest.next_if_eq(&']').is_some() {
        extended.push_str(r"\]");
    }
    let mut is_in_class = false;
    while let Some(character) = rest.next() {
        match character {
            '[' if rest.peek() == Some(&':') => {
                is_in_class = true;
                extended.push('[');
            }
            '[' => extended.push_str(r"\["),
            '\\' => extended.push_str(r"\\"),
            ']' if is_in_class => {
                is_in_class = false;
                extended.push(']');
            }
            ']' => {
                extended.push(']');
                return;
            }
            other => extended.push(other),
        }
    }
}
