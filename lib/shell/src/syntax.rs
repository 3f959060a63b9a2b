//! The syntax tree: what a parsed text is made of.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::name::is_name;

/// A whole script, or the list inside a compound command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// What to run, in order.
    pub items: Vec<Item>,
}

/// One and-or list and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The commands.
    pub list: AndOr,
    /// It ended in `&`: do not wait for it.
    pub is_background: bool,
}

/// Pipelines joined by `&&` and `||`, which bind alike and to the left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AndOr {
    /// Always runs.
    pub first: Pipeline,
    /// Each runs depending on the status so far.
    pub rest: Vec<(Connector, Pipeline)>,
}

/// On which status the next pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connector {
    /// `&&`: on success.
    And,
    /// `||`: on failure.
    Or,
}

/// Commands connected by `|`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// It began with `!`: its status is inverted.
    pub is_negated: bool,
    /// At least one command.
    pub commands: Vec<Command>,
}

/// One element of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Assignments, words and redirections; at least one of them.
    Simple(SimpleCommand),
    /// A group or control structure, with redirections for the whole of it.
    Compound(Compound, Vec<Redirection>),
    /// `name() body`.
    Function {
        /// The function's name.
        name: String,
        /// A compound command.
        body: Box<Command>,
    },
}

/// `NAME=value … command argument … >file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimpleCommand {
    /// In the order written; all before the first word.
    pub assignments: Vec<Assignment>,
    /// Command name and arguments.
    pub words: Vec<Word>,
    /// In the order written, which is the order they take effect in.
    pub redirections: Vec<Redirection>,
}

/// `NAME=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// A valid name.
    pub name: String,
    /// To be expanded with [`expand_to_string`](crate::expand_to_string).
    pub value: Word,
}

/// One redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// Which descriptor changes.
    pub descriptor: u32,
    /// To what.
    pub kind: RedirectionKind,
}

/// What a redirection does to its descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectionKind {
    /// `<`: open for reading.
    Input(Word),
    /// `>`: create or truncate for writing; not the latter with `set -C`.
    Output(Word),
    /// `>|`: create or truncate for writing.
    Clobber(Word),
    /// `>>`: create or append.
    Append(Word),
    /// `<>`: open for reading and writing, create if missing.
    ReadWrite(Word),
    /// `<&`: become a copy of another input descriptor; `-` closes.
    DuplicateInput(Word),
    /// `>&`: become a copy of another output descriptor; `-` closes.
    DuplicateOutput(Word),
    /// `<<`: read this text.
    HereDocument(HereDocument),
}

/// The lines of a here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HereDocument {
    /// Empty or ending in a newline; expands to exactly one string.
    pub body: Word,
}

/// A group or control structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compound {
    /// `{ …; }`: run here.
    Group(Program),
    /// `( … )`: run in an environment of its own.
    Subshell(Program),
    /// `if … then … elif … else … fi`.
    If {
        /// The first whose condition succeeds is run.
        branches: Vec<IfBranch>,
        /// Run if no condition succeeded.
        otherwise: Option<Program>,
    },
    /// `while … do … done` or `until … do … done`.
    Loop {
        /// It is `until`: runs while the condition fails.
        is_until: bool,
        /// Run before each turn.
        condition: Program,
        /// Run in each turn.
        body: Program,
    },
    /// `for name in … do … done`.
    For {
        /// The variable set in each turn.
        name: String,
        /// What it is set to; without `in`, the positional parameters.
        values: Option<Vec<Word>>,
        /// Run in each turn.
        body: Program,
    },
    /// `case subject in pattern) … ;; esac`.
    Case {
        /// To be expanded with [`expand_to_string`](crate::expand_to_string).
        subject: Word,
        /// The first with a matching pattern is run.
        arms: Vec<CaseArm>,
    },
}

/// One condition and what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfBranch {
    /// Decides by the status of its last command.
    pub condition: Program,
    /// Run if the condition succeeded.
    pub body: Program,
}

/// One arm of a `case`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseArm {
    /// To be expanded with [`expand_pattern`](crate::expand_pattern).
    pub patterns: Vec<Word>,
    /// Run if one of the patterns matches.
    pub body: Program,
}

/// One word, not yet expanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Written without a space between them.
    pub parts: Vec<WordPart>,
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordPart {
    /// Unquoted text; outside quotes `*?[~` in it are special.
    Literal(String),
    /// Text from single quotes or behind a backslash.
    Quoted(String),
    /// What stands between double quotes.
    DoubleQuoted(Vec<WordPart>),
    /// `$name`, `${…}`.
    Parameter(ParameterExpansion),
    /// `$(…)` or backquotes.
    Substitution(Program),
    /// `$((…))`; the text is evaluated after its own expansion.
    Arithmetic(Vec<WordPart>),
}

/// A parameter and what is done with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterExpansion {
    /// Which parameter.
    pub parameter: Parameter,
    /// What is done with it.
    pub operation: Operation,
}

/// What `$` can refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `$NAME`.
    Variable(String),
    /// `$0`, `$1`, …; 0 is the shell or script.
    Positional(u32),
    /// `$@`: each argument a field of its own.
    Arguments,
    /// `$*`: the arguments as one text.
    JoinedArguments,
    /// `$#`: how many arguments.
    ArgumentCount,
    /// `$?`: status of the last pipeline.
    Status,
    /// `$$`: the shell's process id.
    ProcessId,
    /// `$!`: process id of the last background command.
    LastBackground,
    /// `$-`: the options in force, as letters.
    Options,
}

/// What `${…}` does with a parameter.
///
/// `or_empty` is the colon: an empty value counts as missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The value itself.
    Value,
    /// `${#name}`: its length in characters.
    Length,
    /// `${name-word}`.
    Default {
        /// An empty value counts as missing.
        or_empty: bool,
        /// Used if the value is missing.
        word: Word,
    },
    /// `${name=word}`.
    Assign {
        /// An empty value counts as missing.
        or_empty: bool,
        /// Assigned and used if the value is missing.
        word: Word,
    },
    /// `${name?word}`.
    Require {
        /// An empty value counts as missing.
        or_empty: bool,
        /// The complaint if the value is missing.
        word: Word,
    },
    /// `${name+word}`.
    Alternative {
        /// An empty value counts as missing.
        or_empty: bool,
        /// Used if the value is there.
        word: Word,
    },
    /// `${name#pattern}`, `${name##pattern}`.
    RemovePrefix {
        /// The longest match is removed, not the shortest.
        is_longest: bool,
        /// What to remove.
        pattern: Word,
    },
    /// `${name%pattern}`, `${name%%pattern}`.
    RemoveSuffix {
        /// The longest match is removed, not the shortest.
        is_longest: bool,
        /// What to remove.
        pattern: Word,
    },
}

impl Word {
    /// The text, if the word is nothing but unquoted text.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [WordPart::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The assignment that the word is written as, if it is.
    pub fn as_assignment(&self) -> Option<Assignment> {
        let WordPart::Literal(text) = self.parts.first()? else {
            return None;
        };
        let (name, value) = text.split_once('=')?;
        if !is_name(name) {
            return None;
        }
        let mut parts = self.parts.clone();
        if value.is_empty() {
            parts.remove(0);
        } else {
            parts[0] = WordPart::Literal(value.into());
        }
        Some(Assignment {
            name: name.into(),
            value: Word { parts },
        })
    }

    /// Whether expanding the word changes nothing in the shell, starts nothing and
    /// cannot be an error of its own.
    pub fn is_pure(&self) -> bool {
        self.parts.iter().all(WordPart::is_pure)
    }
}

impl WordPart {
    fn is_pure(&self) -> bool {
        match self {
            WordPart::Literal(_) | WordPart::Quoted(_) => true,
            WordPart::DoubleQuoted(inner) => inner.iter().all(Self::is_pure),
            WordPart::Substitution(_) | WordPart::Arithmetic(_) => false,
            WordPart::Parameter(expansion) => match &expansion.operation {
                Operation::Value | Operation::Length => true,
                Operation::Assign { .. } | Operation::Require { .. } => false,
                Operation::Default { word, .. }
                | Operation::Alternative { word, .. }
                | Operation::RemovePrefix { pattern: word, .. }
                | Operation::RemoveSuffix { pattern: word, .. } => word.is_pure(),
            },
        }
    }
}

impl SimpleCommand {
    /// Whether expanding all of it changes nothing in the shell ([`Word::is_pure`]).
    pub fn is_pure(&self) -> bool {
        let assigned = self.assignments.iter().map(|assignment| &assignment.value);
        let redirected = self.redirections.iter().map(Redirection::word);
        self.words
            .iter()
            .chain(assigned)
            .chain(redirected)
            .all(Word::is_pure)
    }
}

impl Redirection {
    /// The word that says where it leads.
    pub fn word(&self) -> &Word {
        match &self.kind {
            RedirectionKind::Input(word)
            | RedirectionKind::Output(word)
            | RedirectionKind::Clobber(word)
            | RedirectionKind::Append(word)
            | RedirectionKind::ReadWrite(word)
            | RedirectionKind::DuplicateInput(word)
            | RedirectionKind::DuplicateOutput(word) => word,
            RedirectionKind::HereDocument(document) => &document.body,
        }
    }
}
