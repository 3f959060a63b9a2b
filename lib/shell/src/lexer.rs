//! Tokens: operators, newlines and words, with the text's position kept.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::alias::Aliases;
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
#[derive(Clone, Debug)]
pub(crate) struct Lexer {
    source: Arc<str>,
    /// In bytes; always a character boundary.
    position: usize,
    first_line: u32,
    /// The text was cut out of a larger one, so nothing can follow it.
    is_fragment: bool,
    /// More text may come behind this: a here-document has to be ended.
    may_go_on: bool,
    depth: u32,
    /// What the command has been made of so far, also by lexers of parts of it.
    size: Arc<AtomicU32>,
    aliases: Arc<Aliases>,
    /// Aliases whose values are being read: their names, and how many bytes are left
    /// of the text when the value has been read.
    active: Vec<(String, usize)>,
    /// An alias ended in a blank: the next word behind it may be one, too.
    checked_behind: Option<usize>,
    /// Here-documents announced on the current line.
    pub(crate) announced: Vec<PendingDocument>,
    /// Bodies read so far, in order.
    pub(crate) documents: Vec<Word>,
}

impl Lexer {
    /// A lexer for a text that more may follow.
    pub(crate) fn new(source: &str) -> Self {
        Self {
            source: source.into(),
            position: 0,
            first_line: 1,
            is_fragment: false,
            may_go_on: true,
            depth: 0,
            size: Arc::default(),
            aliases: Arc::default(),
            active: Vec::new(),
            checked_behind: None,
            announced: Vec::new(),
            documents: Vec::new(),
        }
    }

    /// Reads with aliases; `may_go_on` says that more text may follow.
    pub(crate) fn with(mut self, aliases: &Arc<Aliases>, may_go_on: bool) -> Self {
        self.aliases = Arc::clone(aliases);
        self.may_go_on = may_go_on;
        self
    }

    /// Reads a text that was cut out of this lexer's and rewritten.
    pub(crate) fn fragment(&self, source: &str, start: usize) -> Self {
        Self {
            first_line: self.location(start).0,
            is_fragment: true,
            depth: self.depth,
            size: Arc::clone(&self.size),
            ..Self::new(source).with(&self.aliases, false)
        }
    }

    /// Reads on from the same place, with here-documents of its own.
    pub(crate) fn nested(&self) -> Self {
        Self {
            announced: Vec::new(),
            documents: Vec::new(),
            ..self.clone()
        }
    }

    /// Begins with a command.
    pub(crate) fn anew(&self) -> Self {
        Self {
            size: Arc::default(),
            ..self.nested()
        }
    }

    /// Goes on where a nested lexer stopped.
    pub(crate) fn go_on_behind(&mut self, nested: Self) {
        self.source = nested.source;
        self.position = nested.position;
        self.first_line = nested.first_line;
        self.active = nested.active;
        self.checked_behind = nested.checked_behind;
    }

    pub(crate) fn may_go_on(&self) -> bool {
        self.may_go_on
    }

    /// Whether a word that begins at `start` stands behind an alias that ended in a
    /// blank; asked once for each such alias.
    pub(crate) fn is_checked(&mut self, start: usize) -> bool {
        let left = self.source.len() - start;
        self.checked_behind.take_if(|end| left <= *end).is_some()
    }

    /// Puts the value of an alias in the place of its name, which begins at `start`
    /// and was read last; false if there is no such alias.
    pub(crate) fn substitute_alias(&mut self, name: &str, start: usize) -> bool {
        let left = self.source.len() - start;
        self.active.retain(|(_, end)| left > *end);
        let is_active = self.active.iter().any(|(active, _)| active == name);
        let Some(value) = self.aliases.get(name).filter(|_| !is_active) else {
            return false;
        };
        let rest = &self.source[self.position..];
        let end = rest.len();
        if value.ends_with([' ', '\t']) {
            self.checked_behind = Some(end);
        }
        let source = format!("{value}{rest}");
        self.first_line = self.location(self.position).0;
        self.active.push((name.into(), end));
        self.source = source.into();
        self.position = 0;
        true
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn seek(&mut self, position: usize) {
        self.position = position;
    }

    pub(crate) fn rest(&self) -> &str {
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
    pub(crate) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let length = rest
            .find(|character| !accept(character))
            .unwrap_or(rest.len());
        let taken = rest[..length].into();
        self.position += length;
        taken
    }

    /// As [`Self::take`], also if lines are continued within the text.
    fn take_spread(&mut self, text: &str) -> bool {
        let start = self.position;
        for (index, character) in text.char_indices() {
            while index > 0 && self.take("\\\n") {}
            if self.peek() != Some(character) {
                self.position = start;
                return false;
            }
            self.bump();
        }
        true
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

    /// Notes another word, part of one or operator.
    pub(crate) fn grow(&self) -> Result<(), ParseError> {
        let is_over = self.size.fetch_add(1, Ordering::Relaxed) >= ParseError::SIZE_LIMIT;
        match is_over || self.source.len() > ParseError::TEXT_LIMIT {
            true => Err(ParseError::TooLong),
            false => Ok(()),
        }
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
        self.grow()?;
        self.skip_blanks()?;
        let start = self.position;
        let token = match self.peek() {
            None => Token::End,
            Some('\n') => {
                self.bump();
                self.read_announced_documents()?;
                Token::Newline
            }
            Some(_) => match (OPERATORS.into_iter()).find(|operator| self.take_spread(operator)) {
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
                    if self.rest().is_empty() && self.may_go_on {
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
