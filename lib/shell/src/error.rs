//! Why a text is not a program, or not yet.

use alloc::string::String;
use core::fmt;

/// Why parsing stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// The text is a correct beginning: an interactive shell asks for more.
    Incomplete {
        /// What has to come.
        expected: Expected,
    },
    /// No continuation can make this a program.
    Syntax {
        /// Counted from 1.
        line: u32,
        /// In characters, counted from 1.
        column: u32,
        /// What stands there.
        found: String,
        /// What would have been right.
        expected: Expected,
    },
    /// Constructs are nested more deeply than [`ParseError::DEPTH_LIMIT`].
    TooDeep {
        /// Counted from 1.
        line: u32,
        /// In characters, counted from 1.
        column: u32,
    },
    /// The text is longer than [`ParseError::TEXT_LIMIT`], or a command of it is made of
    /// more than [`ParseError::SIZE_LIMIT`].
    TooLong,
}

/// What the parser was looking for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The beginning of a command.
    Command,
    /// A word, for instance behind a redirection.
    Word,
    /// A variable's name.
    Name,
    /// A reserved word or operator.
    Token(&'static str),
    /// The end of a quotation, with the quote that opens and ends it.
    ClosingQuote(char),
    /// A parameter behind `${`.
    Parameter,
    /// Another line behind a backslash at the end of the text.
    NextLine,
    /// The line that ends a here-document.
    HereDocumentEnd(String),
    /// The lines of a here-document, before something else closed.
    HereDocumentBody,
    /// The end of the command.
    EndOfCommand,
    /// A compound command as a function's body.
    FunctionBody,
}

impl ParseError {
    /// How deeply constructs may be nested, so that no stack overflows.
    pub const DEPTH_LIMIT: u32 = 40;

    /// Words, parts of words and operators of the longest command: what it takes does
    /// not depend on how many bytes they are.
    pub const SIZE_LIMIT: u32 = 1 << 15;

    /// Bytes of the longest text.
    pub const TEXT_LIMIT: usize = 4 << 20;
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Incomplete { expected } => {
                write!(formatter, "unexpected end of text, expected {expected}")
            }
            ParseError::Syntax {
                line,
                column,
                found,
                expected,
            } => write!(
                formatter,
                "line {line}, column {column}: found {found}, expected {expected}"
            ),
            ParseError::TooDeep { line, column } => write!(
                formatter,
                "line {line}, column {column}: nested more than {} levels deep",
                ParseError::DEPTH_LIMIT
            ),
            ParseError::TooLong => formatter.write_str("the text or a command of it is too long"),
        }
    }
}

impl core::error::Error for ParseError {}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Command => formatter.write_str("a command"),
            Expected::Word => formatter.write_str("a word"),
            Expected::Name => formatter.write_str("a variable's name"),
            Expected::Token(token) => write!(formatter, "`{token}`"),
            Expected::ClosingQuote(quote) => write!(formatter, "a closing {quote}"),
            Expected::Parameter => formatter.write_str("a parameter behind `${`"),
            Expected::NextLine => formatter.write_str("another line behind the backslash"),
            Expected::HereDocumentEnd(delimiter) => {
                write!(
                    formatter,
                    "the here-document's last line {:?}",
                    shortened(delimiter)
                )
            }
            Expected::HereDocumentBody => formatter.write_str("the here-document's lines"),
            Expected::EndOfCommand => formatter.write_str("the end of the command"),
            Expected::FunctionBody => formatter.write_str("`{` or another compound command"),
        }
    }
}

/// As much of a text as an error shows.
pub(crate) fn shortened(text: &str) -> &str {
    const SHOWN: usize = 64;
    let end = text
        .char_indices()
        .nth(SHOWN)
        .map_or(text.len(), |(end, _)| end);
    &text[..end]
}
