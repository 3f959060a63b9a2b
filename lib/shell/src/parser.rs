//! The grammar, by recursive descent with one token of lookahead.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::error::{Expected, ParseError};
use crate::here_document::{self, PendingDocument};
use crate::lexer::{Lexer, Token};
use crate::name::is_name;
use crate::syntax::{
    AndOr, CaseArm, Command, Compound, Connector, HereDocument, IfBranch, Item, Pipeline, Program,
    Redirection, RedirectionKind, SimpleCommand, Word,
};

/// Reserved words that end a list of commands.
const CLOSING_WORDS: [&str; 8] = ["then", "do", "done", "fi", "else", "elif", "esac", "}"];
/// Reserved words that begin a compound command.
const OPENING_WORDS: [&str; 6] = ["if", "while", "until", "for", "case", "{"];

/// Turns text into a [`Program`].
#[derive(Debug)]
pub struct Parser {
    lexer: Lexer,
    /// The next token, if it has been looked at, and where it begins.
    lookahead: Option<(Token, usize)>,
}

impl Parser {
    /// Parses a whole text.
    ///
    /// # Errors
    ///
    /// [`ParseError::Incomplete`] if more text could make it a program,
    /// otherwise where and why it cannot be one.
    pub fn parse(text: &str) -> Result<Program, ParseError> {
        Parser::over(Lexer::new(text)).whole()
    }
}

/// Whether the word would not be an ordinary one as a command's first.
pub(crate) fn is_reserved(word: &Word) -> bool {
    word.as_literal().is_some_and(|text| {
        text == "!" || CLOSING_WORDS.contains(&text) || OPENING_WORDS.contains(&text)
    })
}

impl Parser {
    pub(crate) fn over(lexer: Lexer) -> Self {
        Self {
            lexer,
            lookahead: None,
        }
    }

    /// Everything up to the end of the text.
    pub(crate) fn whole(mut self) -> Result<Program, ParseError> {
        let program = self.list()?;
        if *self.peek()? != Token::End {
            return Err(self.unexpected(Expected::EndOfCommand));
        }
        self.finish(program)
    }

    /// Everything up to `)`; also returns the lexer, which is behind it.
    pub(crate) fn substituted(mut self) -> Result<(Program, Lexer), ParseError> {
        let program = self.list()?;
        self.expect_operator(")")?;
        let program = self.finish(program)?;
        Ok((program, self.lexer))
    }

    /// The next complete command, up to the end of its line, and the lexer behind it;
    /// `None` if there is nothing but empty lines left.
    pub(crate) fn complete_command(mut self) -> Result<Option<(Program, Lexer)>, ParseError> {
        self.command_start()?;
        if *self.peek()? == Token::End {
            return Ok(None);
        }
        let mut items = Vec::new();
        loop {
            let (item, is_ended) = self.item()?;
            items.push(item);
            self.resolve_alias()?;
            if matches!(self.peek()?, Token::Newline | Token::End) {
                break;
            }
            if !is_ended {
                return Err(self.unexpected(Expected::EndOfCommand));
            }
        }
        self.next()?;
        let program = self.finish(Program { items })?;
        Ok(Some((program, self.lexer)))
    }

    fn finish(&mut self, mut program: Program) -> Result<Program, ParseError> {
        if let Some(document) = self.lexer.announced.first() {
            if self.lexer.rest().is_empty() && !self.lexer.may_go_on() {
                self.lexer.read_announced_documents()?;
                return self.finish(program);
            }
            return Err(if self.lexer.rest().is_empty() {
                self.lexer.ended(document.expected_end())
            } else {
                self.lexer.unexpected_next(Expected::HereDocumentBody)
            });
        }
        here_document::distribute(&mut program, core::mem::take(&mut self.lexer.documents));
        Ok(program)
    }

    fn peek(&mut self) -> Result<&Token, ParseError> {
        if self.lookahead.is_none() {
            self.lookahead = Some(self.lexer.next_token()?);
        }
        match &self.lookahead {
            Some((token, _)) => Ok(token),
            None => Ok(&Token::End),
        }
    }

    fn next(&mut self) -> Result<Token, ParseError> {
        match self.lookahead.take() {
            Some((token, _)) => Ok(token),
            None => Ok(self.lexer.next_token()?.0),
        }
    }

    /// The error for the next token, which must have been looked at.
    fn unexpected(&self, expected: Expected) -> ParseError {
        let Some((token, start)) = &self.lookahead else {
            return self.lexer.unexpected_next(expected);
        };
        let found = match token {
            Token::End => return self.lexer.ended(expected),
            Token::Newline => "end of line".to_string(),
            Token::Operator(operator) => format!("`{operator}`"),
            Token::Descriptor(number) => format!("`{number}`"),
            Token::Word(word) => format!("`{word}`"),
        };
        self.lexer.unexpected(*start, found, expected)
    }

    fn take_operator(&mut self, wanted: &str) -> Result<bool, ParseError> {
        let is_next = matches!(self.peek()?, Token::Operator(operator) if *operator == wanted);
        if is_next {
            self.next()?;
        }
        Ok(is_next)
    }

    fn expect_operator(&mut self, wanted: &'static str) -> Result<(), ParseError> {
        if self.take_operator(wanted)? {
            return Ok(());
        }
        Err(self.unexpected(Expected::Token(wanted)))
    }

    fn peek_literal(&mut self) -> Result<Option<&str>, ParseError> {
        Ok(match self.peek()? {
            Token::Word(word) => word.as_literal(),
            _ => None,
        })
    }

    fn take_keyword(&mut self, wanted: &str) -> Result<bool, ParseError> {
        let is_next = self.peek_literal()? == Some(wanted);
        if is_next {
            self.next()?;
        }
        Ok(is_next)
    }

    fn expect_keyword(&mut self, wanted: &'static str) -> Result<(), ParseError> {
        if self.take_keyword(wanted)? {
            return Ok(());
        }
        Err(self.unexpected(Expected::Token(wanted)))
    }

    /// Goes to where a command begins, with the alias there replaced.
    fn command_start(&mut self) -> Result<(), ParseError> {
        self.skip_newlines()?;
        while self.resolve_alias()? {
            self.skip_newlines()?;
        }
        Ok(())
    }

    /// If the next word is an alias, puts its value in its place; whether it was.
    fn resolve_alias(&mut self) -> Result<bool, ParseError> {
        let mut has_replaced = false;
        loop {
            self.peek()?;
            let Some((Token::Word(word), start)) = &self.lookahead else {
                return Ok(has_replaced);
            };
            let Some(name) = word.as_literal().filter(|_| !is_reserved(word)) else {
                return Ok(has_replaced);
            };
            if !self.lexer.substitute_alias(name, *start) {
                return Ok(has_replaced);
            }
            self.lookahead = None;
            has_replaced = true;
        }
    }

    fn skip_newlines(&mut self) -> Result<(), ParseError> {
        while *self.peek()? == Token::Newline {
            self.next()?;
        }
        Ok(())
    }

    fn word(&mut self) -> Result<Word, ParseError> {
        if !matches!(self.peek()?, Token::Word(_)) {
            return Err(self.unexpected(Expected::Word));
        }
        match self.next()? {
            Token::Word(word) => Ok(word),
            _ => Err(self.unexpected(Expected::Word)),
        }
    }

    /// Items up to something that cannot begin a command.
    fn list(&mut self) -> Result<Program, ParseError> {
        self.lexer.enter()?;
        let mut items = Vec::new();
        loop {
            self.command_start()?;
            if self.is_at_list_end()? {
                break;
            }
            let (item, is_ended) = self.item()?;
            items.push(item);
            if !is_ended {
                break;
            }
        }
        self.lexer.leave();
        Ok(Program { items })
    }

    /// One and-or list with what ends it; whether another may follow.
    fn item(&mut self) -> Result<(Item, bool), ParseError> {
        let list = self.and_or()?;
        let is_background = self.take_operator("&")?;
        let is_ended = is_background || self.take_operator(";")? || *self.peek()? == Token::Newline;
        let item = Item {
            list,
            is_background,
        };
        Ok((item, is_ended))
    }

    fn is_at_list_end(&mut self) -> Result<bool, ParseError> {
        Ok(match self.peek()? {
            Token::End | Token::Operator(")" | ";;") => true,
            Token::Word(word) => word
                .as_literal()
                .is_some_and(|text| CLOSING_WORDS.contains(&text)),
            _ => false,
        })
    }

    fn non_empty_list(&mut self) -> Result<Program, ParseError> {
        let program = self.list()?;
        if program.items.is_empty() {
            self.peek()?;
            return Err(self.unexpected(Expected::Command));
        }
        Ok(program)
    }

    fn and_or(&mut self) -> Result<AndOr, ParseError> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let connector = if self.take_operator("&&")? {
                Connector::And
            } else if self.take_operator("||")? {
                Connector::Or
            } else {
                return Ok(AndOr { first, rest });
            };
            self.command_start()?;
            rest.push((connector, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, ParseError> {
        let is_negated = self.take_keyword("!")?;
        if is_negated {
            self.resolve_alias()?;
        }
        let mut commands = vec![self.command()?];
        while self.take_operator("|")? {
            self.command_start()?;
            commands.push(self.command()?);
        }
        Ok(Pipeline {
            is_negated,
            commands,
        })
    }

    fn command(&mut self) -> Result<Command, ParseError> {
        match self.redirected_compound()? {
            Some(command) => Ok(command),
            None => self.simple(),
        }
    }

    fn redirected_compound(&mut self) -> Result<Option<Command>, ParseError> {
        let Some(compound) = self.compound()? else {
            return Ok(None);
        };
        let mut redirections = Vec::new();
        while let Some(redirection) = self.redirection()? {
            redirections.push(redirection);
        }
        Ok(Some(Command::Compound(compound, redirections)))
    }

    fn simple(&mut self) -> Result<Command, ParseError> {
        let mut command = SimpleCommand::default();
        loop {
            if let Some(redirection) = self.redirection()? {
                command.redirections.push(redirection);
                continue;
            }
            if command.words.is_empty() || self.is_behind_alias()? {
                self.resolve_alias()?;
            }
            let is_first = command == SimpleCommand::default();
            match self.peek()? {
                Token::Word(word) if is_first && is_reserved(word) => {
                    return Err(self.unexpected(Expected::Command));
                }
                Token::Word(_) => {}
                Token::Operator("(") if Self::is_function_head(&command) => {
                    return self.function(command);
                }
                _ if is_first => return Err(self.unexpected(Expected::Command)),
                _ => return Ok(Command::Simple(command)),
            }
            let word = self.word()?;
            if !command.words.is_empty() {
                command.words.push(word);
                continue;
            }
            match word.as_assignment() {
                Some(assignment) => command.assignments.push(assignment),
                None => command.words.push(word),
            }
        }
    }

    /// Whether the next token is a word behind an alias that ended in a blank.
    fn is_behind_alias(&mut self) -> Result<bool, ParseError> {
        self.peek()?;
        Ok(match &self.lookahead {
            Some((Token::Word(_), start)) => self.lexer.is_checked(*start),
            _ => false,
        })
    }

    fn is_function_head(command: &SimpleCommand) -> bool {
        command.assignments.is_empty()
            && command.redirections.is_empty()
            && matches!(command.words.as_slice(), [word] if word.as_literal().is_some_and(is_name))
    }

    fn function(&mut self, head: SimpleCommand) -> Result<Command, ParseError> {
        let name = head.words.first().and_then(Word::as_literal);
        let name = name.unwrap_or_default().to_string();
        self.expect_operator("(")?;
        self.expect_operator(")")?;
        self.skip_newlines()?;
        let Some(body) = self.redirected_compound()? else {
            return Err(self.unexpected(Expected::FunctionBody));
        };
        Ok(Command::Function {
            name,
            body: Box::new(body),
        })
    }

    fn redirection(&mut self) -> Result<Option<Redirection>, ParseError> {
        let descriptor = match *self.peek()? {
            Token::Descriptor(descriptor) => {
                self.next()?;
                Some(descriptor)
            }
            _ => None,
        };
        let operator = match *self.peek()? {
            Token::Operator(
                operator @ ("<" | ">" | ">|" | ">>" | "<>" | "<&" | ">&" | "<<" | "<<-"),
            ) => operator,
            _ => return Ok(None),
        };
        self.next()?;
        let kind = match operator {
            "<<" | "<<-" => self.here_document(operator == "<<-")?,
            "<" => RedirectionKind::Input(self.word()?),
            ">>" => RedirectionKind::Append(self.word()?),
            ">|" => RedirectionKind::Clobber(self.word()?),
            "<>" => RedirectionKind::ReadWrite(self.word()?),
            "<&" => RedirectionKind::DuplicateInput(self.word()?),
            ">&" => RedirectionKind::DuplicateOutput(self.word()?),
            _ => RedirectionKind::Output(self.word()?),
        };
        let default = u32::from(operator.starts_with('>'));
        Ok(Some(Redirection {
            descriptor: descriptor.unwrap_or(default),
            kind,
        }))
    }

    fn here_document(&mut self, drops_tabs: bool) -> Result<RedirectionKind, ParseError> {
        let position = self.lexer.position();
        let delimiter = self.word()?;
        let Some(document) = PendingDocument::new(&delimiter, drops_tabs) else {
            let found = format!("`{delimiter}`");
            return Err(self.lexer.unexpected(position, found, Expected::Word));
        };
        // Before the next token is looked at: it may be the end of this line.
        self.lexer.announced.push(document);
        Ok(RedirectionKind::HereDocument(HereDocument {
            body: Word::default(),
        }))
    }

    fn compound(&mut self) -> Result<Option<Compound>, ParseError> {
        if self.take_operator("(")? {
            let body = self.non_empty_list()?;
            self.expect_operator(")")?;
            return Ok(Some(Compound::Subshell(body)));
        }
        let Some(keyword) = self.peek_literal()? else {
            return Ok(None);
        };
        let Some(keyword) = OPENING_WORDS.into_iter().find(|word| *word == keyword) else {
            return Ok(None);
        };
        self.next()?;
        match keyword {
            "if" => self.conditional(),
            "for" => self.iteration(),
            "case" => self.selection(),
            "{" => {
                let body = self.non_empty_list()?;
                self.expect_keyword("}")?;
                Ok(Compound::Group(body))
            }
            _ => {
                let condition = self.non_empty_list()?;
                Ok(Compound::Loop {
                    is_until: keyword == "until",
                    condition,
                    body: self.turn()?,
                })
            }
        }
        .map(Some)
    }

    /// `do … done`.
    fn turn(&mut self) -> Result<Program, ParseError> {
        self.expect_keyword("do")?;
        let body = self.non_empty_list()?;
        self.expect_keyword("done")?;
        Ok(body)
    }

    fn conditional(&mut self) -> Result<Compound, ParseError> {
        let mut branches = Vec::new();
        loop {
            let condition = self.non_empty_list()?;
            self.expect_keyword("then")?;
            let body = self.non_empty_list()?;
            branches.push(IfBranch { condition, body });
            if !self.take_keyword("elif")? {
                break;
            }
        }
        let otherwise = match self.take_keyword("else")? {
            true => Some(self.non_empty_list()?),
            false => None,
        };
        self.expect_keyword("fi")?;
        Ok(Compound::If {
            branches,
            otherwise,
        })
    }

    fn iteration(&mut self) -> Result<Compound, ParseError> {
        let name = match self.peek_literal()? {
            Some(name) if is_name(name) => String::from(name),
            _ => return Err(self.unexpected(Expected::Name)),
        };
        self.next()?;
        if self.take_operator(";")? {
            self.skip_newlines()?;
            return Ok(Compound::For {
                name,
                values: None,
                body: self.turn()?,
            });
        }
        self.skip_newlines()?;
        let mut values = None;
        if self.take_keyword("in")? {
            let mut words = Vec::new();
            while matches!(self.peek()?, Token::Word(_)) {
                words.push(self.word()?);
            }
            if !self.take_operator(";")? && *self.peek()? != Token::Newline {
                return Err(self.unexpected(Expected::Word));
            }
            values = Some(words);
            self.skip_newlines()?;
        }
        Ok(Compound::For {
            name,
            values,
            body: self.turn()?,
        })
    }

    fn selection(&mut self) -> Result<Compound, ParseError> {
        let subject = self.word()?;
        self.skip_newlines()?;
        self.expect_keyword("in")?;
        let mut arms = Vec::new();
        loop {
            self.skip_newlines()?;
            if self.take_keyword("esac")? {
                break;
            }
            self.take_operator("(")?;
            let mut patterns = vec![self.word()?];
            while self.take_operator("|")? {
                patterns.push(self.word()?);
            }
            self.expect_operator(")")?;
            let body = self.list()?;
            arms.push(CaseArm { patterns, body });
            if !self.take_operator(";;")? {
                self.expect_keyword("esac")?;
                break;
            }
        }
        Ok(Compound::Case { subject, arms })
    }
}
