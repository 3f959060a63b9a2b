//! Expansion: from words as written to the strings a command receives.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use glob_match::Pattern;

use crate::arithmetic::{self, ArithmeticError};
use crate::atoms::{self, Atom, Mark};
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
    let separators = environment.variable("IFS");
    let separators = separators.as_deref().unwrap_or(fields::DEFAULT_SEPARATORS);
    let atoms = Expander::run(word, Tilde::AtStart, true, environment)?;
    let mut strings = Vec::new();
    for field in fields::split(&atoms, separators) {
        strings.extend(pathname::expand(&field, environment));
    }
    Ok(strings)
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
    let mut strings = Vec::new();
    for word in words {
        strings.extend(expand(word, environment)?);
    }
    Ok(strings)
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
    let mut strings = Vec::new();
    for word in words {
        match word.as_assignment() {
            Some(assignment) => {
                let value = expand_to_string(&assignment.value, environment)?;
                strings.push(alloc::format!("{}={value}", assignment.name));
            }
            None => strings.extend(expand(word, environment)?),
        }
    }
    Ok(strings)
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
    Ok(atoms::to_text(&atoms))
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
    Ok(Pattern::from_characters(&atoms::to_pattern(&atoms)))
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
    pub(crate) atoms: Vec<Atom>,
    /// The result will be split into fields.
    pub(crate) is_splitting: bool,
}

impl<'e> Expander<'e> {
    pub(crate) fn run(
        word: &Word,
        tilde: Tilde,
        is_splitting: bool,
        environment: &'e mut dyn Environment,
    ) -> Result<Vec<Atom>, ExpandError> {
        let mut expander = Self {
            environment,
            atoms: Vec::new(),
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
                    self.literal(text, mark, is_at_start, index == last, tilde);
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
    ) {
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
                    self.text(&home, Mark::Quoted);
                    written = &after_tilde[user.len()..];
                }
            }
            self.text(written, mark);
            is_at_start = true;
            rest = behind;
        }
    }

    fn home(&self, user: &str) -> Option<String> {
        if user.is_empty() {
            self.environment.variable("HOME")
        } else {
            self.environment.home_of(user)
        }
    }

    pub(crate) fn text(&mut self, text: &str, mark: Mark) {
        self.atoms.extend(
            text.chars()
                .map(|character| Atom::Character(character, mark)),
        );
    }

    fn part(&mut self, part: &WordPart, mark: Mark) -> Result<(), ExpandError> {
        let value_mark = if mark == Mark::Quoted {
            Mark::Quoted
        } else {
            Mark::Expanded
        };
        match part {
            WordPart::Literal(text) => self.text(text, mark),
            WordPart::Quoted(text) => {
                self.atoms.push(Atom::Presence);
                self.text(text, Mark::Quoted);
            }
            WordPart::DoubleQuoted(inner) => {
                let start = self.atoms.len();
                self.parts(inner, Mark::Quoted)?;
                // "$@" without arguments is no field at all.
                if self.atoms.len() == start && !has_arguments(inner) {
                    self.atoms.push(Atom::Presence);
                }
            }
            WordPart::Parameter(expansion) => self.parameter(expansion, value_mark)?,
            WordPart::Substitution(program) => {
                let output = self.environment.substitute(program)?;
                self.text(output.trim_end_matches('\n'), value_mark);
            }
            WordPart::Arithmetic(inner) => {
                let outer = core::mem::take(&mut self.atoms);
                let result = self.parts(inner, Mark::Quoted);
                let inner = core::mem::replace(&mut self.atoms, outer);
                result?;
                let value = arithmetic::evaluate(&atoms::to_text(&inner), self.environment)?;
                self.text(&alloc::format!("{value}"), value_mark);
            }
        }
        Ok(())
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
