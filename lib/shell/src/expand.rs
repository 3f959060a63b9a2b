//! Expansion: from words as written to the strings a command receives.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::slice;

use glob_match::Pattern;

use crate::arithmetic::{self, ArithmeticError};
use crate::atoms::{Atoms, Mark};
use crate::environment::Environment;
use crate::fields;
use crate::pathname;
use crate::syntax::{Parameter, Word, WordPart};

/// Why a word has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpandError {
    /// `${name?message}` found no value.
    Unset {
        /// The parameter as written behind `$`.
        name: String,
        /// What the script says about it; may be empty.
        message: String,
    },
    /// This cannot be assigned to.
    NotAssignable {
        /// The parameter as written behind `$`.
        name: String,
    },
    /// The text of `$((…))` has no value.
    Arithmetic(ArithmeticError),
    /// The shell could not run the program of `$(…)`.
    Substitution,
    /// It comes to more than [`Environment::room`] or than there is memory for.
    TooLong,
}

impl fmt::Display for ExpandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpandError::Unset { name, message } if message.is_empty() => {
                write!(formatter, "{name}: parameter not set")
            }
            ExpandError::Unset { name, message } => write!(formatter, "{name}: {message}"),
            ExpandError::NotAssignable { name } => write!(formatter, "{name}: cannot be assigned"),
            ExpandError::Arithmetic(error) => write!(formatter, "arithmetic: {error}"),
            ExpandError::Substitution => formatter.write_str("command substitution failed"),
            ExpandError::TooLong => formatter.write_str("the expansion is too long"),
        }
    }
}

impl core::error::Error for ExpandError {}

impl From<ArithmeticError> for ExpandError {
    fn from(error: ArithmeticError) -> Self {
        ExpandError::Arithmetic(error)
    }
}

/// Expands one word of a command to any number of fields.
///
/// Does all of it: tilde, parameters, substitutions, field splitting,
/// pathnames, quote removal.
///
/// # Errors
///
/// See [`ExpandError`]; the fields before the failing part are lost.
pub fn expand(word: &Word, environment: &mut dyn Environment) -> Result<Vec<String>, ExpandError> {
    expand_all(slice::from_ref(word), environment)
}

fn expand_word(
    word: &Word,
    environment: &mut dyn Environment,
    into: &mut Strings,
) -> Result<(), ExpandError> {
    let separators = environment.variable("IFS");
    let separators = separators.as_deref().unwrap_or(fields::DEFAULT_SEPARATORS);
    let atoms = Expander::run(word, Tilde::AtStart, true, environment)?;
    fields::split(&atoms, separators, &mut |field| {
        pathname::expand(field, environment, into)
    })
}

/// Expands all words of a command, in order.
///
/// # Errors
///
/// The first failure.
pub fn expand_all(
    words: &[Word],
    environment: &mut dyn Environment,
) -> Result<Vec<String>, ExpandError> {
    let mut strings = Strings::new(environment.room());
    for word in words {
        expand_word(word, environment, &mut strings)?;
    }
    Ok(strings.into_vec())
}

/// Expands the words of a command that declares variables, such as `export`: what
/// looks like an assignment is expanded as one.
///
/// # Errors
///
/// The first failure.
pub fn expand_declaration(
    words: &[Word],
    environment: &mut dyn Environment,
) -> Result<Vec<String>, ExpandError> {
    let mut strings = Strings::new(environment.room());
    for word in words {
        match word.as_assignment() {
            Some(assignment) => {
                let value = expand_to_string(&assignment.value, environment)?;
                strings.push(alloc::format!("{}={value}", assignment.name))?;
            }
            None => expand_word(word, environment, &mut strings)?,
        }
    }
    Ok(strings.into_vec())
}

/// Expands to exactly one string, without splitting or pathnames.
///
/// For values of assignments, targets of redirections, here-documents and the
/// subject of `case`.
///
/// # Errors
///
/// See [`ExpandError`].
pub fn expand_to_string(
    word: &Word,
    environment: &mut dyn Environment,
) -> Result<String, ExpandError> {
    let atoms = Expander::run(word, Tilde::BehindColons, false, environment)?;
    Ok(atoms.into_text())
}

/// Expands to a pattern, in which quoted characters are literal.
///
/// # Errors
///
/// See [`ExpandError`].
pub fn expand_pattern(
    word: &Word,
    environment: &mut dyn Environment,
) -> Result<Pattern, ExpandError> {
    let atoms = Expander::run(word, Tilde::AtStart, false, environment)?;
    Ok(Pattern::from_characters(&atoms.to_pattern()?))
}

/// Bytes that a string of a list takes beside its text.
const STRING_COST: usize = 32;

/// Strings that together are never longer than they may be.
#[derive(Debug)]
pub(crate) struct Strings {
    strings: Vec<String>,
    limit: usize,
    left: usize,
}

impl Strings {
    /// None yet.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            strings: Vec::new(),
            limit,
            left: limit,
        }
    }

    /// None yet, of which these may become more.
    pub(crate) const fn aside(&self) -> Self {
        Self::new(self.left)
    }

    /// None yet, to be put in the place of these.
    pub(crate) const fn emptied(&self) -> Self {
        Self::new(self.limit)
    }

    pub(crate) fn push(&mut self, text: String) -> Result<(), ExpandError> {
        self.take(text.len() + STRING_COST)?;
        let reserved = self.strings.try_reserve(1);
        reserved.map_err(|_| ExpandError::TooLong)?;
        self.strings.push(text);
        Ok(())
    }

    /// Adds to the end of each.
    pub(crate) fn extend_each(&mut self, text: &str) -> Result<(), ExpandError> {
        self.take(text.len().saturating_mul(self.strings.len()))?;
        self.strings.iter_mut().for_each(|one| one.push_str(text));
        Ok(())
    }

    fn take(&mut self, cost: usize) -> Result<(), ExpandError> {
        self.left = self.left.checked_sub(cost).ok_or(ExpandError::TooLong)?;
        Ok(())
    }

    pub(crate) fn iter(&self) -> slice::Iter<'_, String> {
        self.strings.iter()
    }

    pub(crate) fn retain(&mut self, is_kept: impl FnMut(&String) -> bool) {
        self.strings.retain(is_kept);
    }

    pub(crate) fn sort(&mut self) {
        self.strings.sort_unstable();
    }

    pub(crate) fn into_vec(self) -> Vec<String> {
        self.strings
    }
}

/// Where an unquoted `~` is a home directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tilde {
    AtStart,
    /// Also behind each colon, as in `PATH=~/bin:~/tools`.
    BehindColons,
}

pub(crate) struct Expander<'e> {
    pub(crate) environment: &'e mut dyn Environment,
    pub(crate) atoms: Atoms,
    /// The result will be split into fields.
    pub(crate) is_splitting: bool,
}

impl<'e> Expander<'e> {
    pub(crate) fn run(
        word: &Word,
        tilde: Tilde,
        is_splitting: bool,
        environment: &'e mut dyn Environment,
    ) -> Result<Atoms, ExpandError> {
        let atoms = Atoms::new(environment.room());
        let mut expander = Self {
            environment,
            atoms,
            is_splitting,
        };
        expander.word(word, Mark::Literal, tilde)?;
        Ok(expander.atoms)
    }

    /// `mark` is for the text written in the word itself.
    pub(crate) fn word(
        &mut self,
        word: &Word,
        mark: Mark,
        tilde: Tilde,
    ) -> Result<(), ExpandError> {
        let mut is_at_start = true;
        let last = word.parts.len().saturating_sub(1);
        for (index, part) in word.parts.iter().enumerate() {
            match part {
                WordPart::Literal(text) if mark != Mark::Quoted => {
                    self.literal(text, mark, is_at_start, index == last, tilde)?;
                    is_at_start = tilde == Tilde::BehindColons && text.ends_with(':');
                }
                part => {
                    self.part(part, mark)?;
                    is_at_start = false;
                }
            }
        }
        Ok(())
    }

    fn literal(
        &mut self,
        text: &str,
        mark: Mark,
        mut is_at_start: bool,
        is_last: bool,
        tilde: Tilde,
    ) -> Result<(), ExpandError> {
        let mut rest = text;
        while !rest.is_empty() {
            let length = match tilde {
                Tilde::AtStart => rest.len(),
                Tilde::BehindColons => rest.find(':').map_or(rest.len(), |colon| colon + 1),
            };
            let (segment, behind) = rest.split_at(length);
            let mut written = segment;
            if is_at_start && let Some(after_tilde) = segment.strip_prefix('~') {
                let end = after_tilde.find(['/', ':']);
                let user = &after_tilde[..end.unwrap_or(after_tilde.len())];
                // A name that goes on in another part was partly quoted.
                if (end.is_some() || is_last)
                    && let Some(home) = self.home(user)
                {
                    self.atoms.text(&home, Mark::Quoted)?;
                    written = &after_tilde[user.len()..];
                }
            }
            self.atoms.text(written, mark)?;
            is_at_start = true;
            rest = behind;
        }
        Ok(())
    }

    fn home(&self, user: &str) -> Option<String> {
        if user.is_empty() {
            self.environment.variable("HOME")
        } else {
            self.environment.home_of(user)
        }
    }

    fn part(&mut self, part: &WordPart, mark: Mark) -> Result<(), ExpandError> {
        let value_mark = if mark == Mark::Quoted {
            Mark::Quoted
        } else {
            Mark::Expanded
        };
        match part {
            WordPart::Literal(text) => self.atoms.text(text, mark),
            WordPart::Quoted(text) => {
                self.atoms.presence()?;
                self.atoms.text(text, Mark::Quoted)
            }
            WordPart::DoubleQuoted(inner) => {
                let before = self.atoms.place();
                self.parts(inner, Mark::Quoted)?;
                // "$@" without arguments is no field at all.
                if self.atoms.is_same_as(before) && !has_arguments(inner) {
                    self.atoms.presence()?;
                }
                Ok(())
            }
            WordPart::Parameter(expansion) => self.parameter(expansion, value_mark),
            WordPart::Substitution(program) => {
                let output = self.environment.substitute(program, self.atoms.room())?;
                self.atoms.text(output.trim_end_matches('\n'), value_mark)
            }
            WordPart::Arithmetic(inner) => {
                let room = Atoms::new(self.atoms.room());
                let outer = core::mem::replace(&mut self.atoms, room);
                let result = self.parts(inner, Mark::Quoted);
                let inner = core::mem::replace(&mut self.atoms, outer);
                result?;
                let value = arithmetic::evaluate(&inner.into_text(), self.environment)?;
                self.atoms.text(&alloc::format!("{value}"), value_mark)
            }
        }
    }

    fn parts(&mut self, parts: &[WordPart], mark: Mark) -> Result<(), ExpandError> {
        parts.iter().try_for_each(|part| self.part(part, mark))
    }
}

fn has_arguments(parts: &[WordPart]) -> bool {
    parts.iter().any(|part| {
        matches!(part, WordPart::Parameter(expansion) if expansion.parameter == Parameter::Arguments)
    })
}
