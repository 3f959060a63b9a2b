//! Tokens: operators, newlines and words, with the text's position kept.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::{Expected, ParseError};
use crate::here_document::PendingDocument;
use crate::syntax::Word;
use crate::word::Context;

/// What the grammar is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(Word),
    /// Digits directly in front of `<` or `>`.
    Descriptor(u32),
    Operator(&'static str),
    Newline,
    End,
}

/// Longest first, so that the first match is the right one.
const OPERATORS: [&str; 17] = [
    "<<-", "&&", "||", ";;", "<<", "<&", "<>", ">>", ">&", ">|", "<", ">", "|", "&", ";", "(", ")",
];

/// Reads a text from front to back.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    source: &'a str,
    /// In bytes; always a character boundary.
    position: usize,
    first_line: u32,
    /// The text was cut out of a larger one, so nothing can follow it.
    is_fragment: bool,
    depth: u32,
    /// Here-documents announced on the current line.
    pub(crate) announced: Vec<PendingDocument>,
    /// Bodies read so far, in order.
    pub(crate) documents: Vec<Word>,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self {
            source,
            position: 0,
            first_line: 1,
            is_fragment: false,
            depth: 0,
            announced: Vec::new(),
            documents: Vec::new(),
        }
    }

    /// Reads a text that was cut out of this lexer's and rewritten.
    pub(crate) fn fragment<'b>(&self, source: &'b str, start: usize) -> Lexer<'b> {
        Lexer {
            first_line: self.location(start).0,
            is_fragment: true,
            depth: self.depth,
            ..Lexer::new(source)
        }
    }

    /// Reads on from the same place, with here-documents of its own.
    pub(crate) fn nested(&self) -> Lexer<'a> {
        Lexer {
            source: self.source,
            position: self.position,
            first_line: self.first_line,
            is_fragment: self.is_fragment,
            depth: self.depth,
            announced: Vec::new(),
            documents: Vec::new(),
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn seek(&mut self, position: usize) {
        self.position = position;
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.source[self.position..]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.position += character.len_utf8();
        Some(character)
    }

    /// Steps over `text` if it comes next.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.position += text.len();
        }
        is_next
    }

    /// Steps over the characters `accept` wants and returns them.
    pub(crate) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest
            .find(|character| !accept(character))
            .unwrap_or(rest.len());
        self.position += length;
        &rest[..length]
    }

    /// One level deeper; undone by [`Lexer::leave`] unless parsing fails.
    pub(crate) fn enter(&mut self) -> Result<(), ParseError> {
        if self.depth == ParseError::DEPTH_LIMIT {
            let (line, column) = self.location(self.position);
            return Err(ParseError::TooDeep { line, column });
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The error for text that ends too early.
    pub(crate) fn ended(&self, expected: Expected) -> ParseError {
        if self.is_fragment {
            self.unexpected(self.source.len(), "end of the text".to_string(), expected)
        } else {
            ParseError::Incomplete { expected }
        }
    }

    /// The error for the wrong thing at `position`.
    pub(crate) fn unexpected(
        &self,
        position: usize,
        found: String,
        expected: Expected,
    ) -> ParseError {
        let (line, column) = self.location(position);
        ParseError::Syntax {
            line,
            column,
            found,
            expected,
        }
    }

    /// The error for whatever character comes next.
    pub(crate) fn unexpected_next(&self, expected: Expected) -> ParseError {
        match self.peek() {
            None => self.ended(expected),
            Some(character) => {
                self.unexpected(self.position, alloc::format!("{character:?}"), expected)
            }
        }
    }

    fn location(&self, position: usize) -> (u32, u32) {
        let before = &self.source[..position];
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[line_start..].chars().count() + 1;
        let saturated = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (
            self.first_line.saturating_add(saturated(line)),
            saturated(column),
        )
    }

    /// The next token and where it begins.
    pub(crate) fn next_token(&mut self) -> Result<(Token, usize), ParseError> {
        self.skip_blanks()?;
        let start = self.position;
        let token = match self.peek() {
            None => Token::End,
            Some('\n') => {
                self.bump();
                self.read_announced_documents()?;
                Token::Newline
            }
            Some(_) => match OPERATORS.into_iter().find(|operator| self.take(operator)) {
                Some(operator) => Token::Operator(operator),
                None => self.word_token()?,
            },
        };
        Ok((token, start))
    }

    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        loop {
            match self.peek() {
                Some(' ' | '\t') => {
                    self.bump();
                }
                Some('#') => {
                    self.take_while(|character| character != '\n');
                }
                Some('\\') if self.take("\\\n") => {
                    if self.rest().is_empty() {
                        return Err(self.ended(Expected::NextLine));
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn word_token(&mut self) -> Result<Token, ParseError> {
        let parts = self.parts(Context::Word)?;
        let word = Word { parts };
        if matches!(self.peek(), Some('<' | '>'))
            && let Some(digits) = word.as_literal()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(descriptor) = digits.parse()
        {
            return Ok(Token::Descriptor(descriptor));
        }
        Ok(Token::Word(word))
    }
}
