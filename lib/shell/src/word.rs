//! Words: literal text, quoting and everything that begins with `$`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::{Expected, ParseError};
use crate::lexer::Lexer;
use crate::name::{is_name_character, is_name_start};
use crate::parser::Parser;
use crate::syntax::{Operation, Parameter, ParameterExpansion, Word, WordPart};

/// Where text stands: decides what is special in it and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// An ordinary word; ends at a blank or operator.
    Word,
    /// Behind an operator in `${…}`; ends at `}`.
    Braces,
    /// The same between double quotes.
    QuotedBraces,
    /// Between double quotes.
    DoubleQuotes,
    /// Lines of a here-document; ends with the text.
    HereDocument,
    /// Between `$((` and `))`; ends at an unmatched `)`.
    Arithmetic,
}

impl Context {
    /// Whether text here counts as quoted.
    pub(crate) fn is_quoted(self) -> bool {
        !matches!(self, Context::Word | Context::Braces)
    }

    /// Whether a backslash takes the meaning from `character`.
    pub(crate) fn is_escapable(self, character: char) -> bool {
        match character {
            '$' | '`' | '\\' => true,
            '"' => matches!(self, Context::DoubleQuotes | Context::QuotedBraces),
            '}' => self == Context::QuotedBraces,
            _ => false,
        }
    }

    /// Whether an unquoted word ends before `character`.
    pub(crate) fn is_separator(character: char) -> bool {
        matches!(
            character,
            ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')'
        )
    }

    fn has_ended(self, next: Option<char>, open_parentheses: u32) -> bool {
        match (self, next) {
            (Context::Word | Context::HereDocument, None) => true,
            (Context::Word, Some(next)) => Context::is_separator(next),
            (Context::Braces | Context::QuotedBraces, Some('}')) => true,
            (Context::DoubleQuotes, Some('"')) => true,
            (Context::Arithmetic, Some(')')) => open_parentheses == 0,
            _ => false,
        }
    }

    fn end(self) -> Expected {
        match self {
            Context::Braces | Context::QuotedBraces => Expected::Token("}"),
            Context::DoubleQuotes => Expected::ClosingQuote('"'),
            Context::Arithmetic => Expected::Token("))"),
            Context::Word | Context::HereDocument => Expected::Word,
        }
    }
}

impl Lexer {
    /// Reads up to, not including, what ends `context`.
    pub(crate) fn parts(&mut self, context: Context) -> Result<Vec<WordPart>, ParseError> {
        self.enter()?;
        let mut parts = Vec::new();
        let mut known = 0;
        let mut open_parentheses = 0;
        while !context.has_ended(self.peek(), open_parentheses) {
            let Some(character) = self.bump() else {
                return Err(self.ended(context.end()));
            };
            match character {
                '$' => match self.dollar(context)? {
                    Some(part) => parts.push(part),
                    None if context.is_quoted() => push_literal(&mut parts, '$'),
                    None => push_quoted(&mut parts, "$"),
                },
                '`' => {
                    let part = self.backquotes(context)?;
                    parts.push(part);
                }
                '\\' => self.backslash(context, &mut parts)?,
                '\'' if !context.is_quoted() => {
                    let text = self.take_while(|character| character != '\'');
                    if self.bump().is_none() {
                        return Err(self.ended(Expected::ClosingQuote('\'')));
                    }
                    push_quoted(&mut parts, &text);
                }
                '"' if !context.is_quoted() || context == Context::QuotedBraces => {
                    let inner = self.parts(Context::DoubleQuotes)?;
                    self.bump();
                    parts.push(WordPart::DoubleQuoted(inner));
                }
                _ => {
                    match character {
                        '(' => open_parentheses += 1,
                        ')' => open_parentheses = open_parentheses.saturating_sub(1),
                        _ => {}
                    }
                    push_literal(&mut parts, character);
                }
            }
            if parts.len() > known {
                known = parts.len();
                self.grow()?;
            }
        }
        self.leave();
        Ok(parts)
    }

    fn backslash(&mut self, context: Context, parts: &mut Vec<WordPart>) -> Result<(), ParseError> {
        let Some(next) = self.peek() else {
            if context == Context::HereDocument {
                push_literal(parts, '\\');
                return Ok(());
            }
            if !self.may_go_on() && context == Context::Word {
                push_quoted(parts, "\\");
                return Ok(());
            }
            return Err(self.ended(Expected::NextLine));
        };
        if next == '\n' {
            self.bump();
            if context == Context::Word && self.rest().is_empty() && self.may_go_on() {
                return Err(self.ended(Expected::NextLine));
            }
        } else if !context.is_quoted() {
            self.bump();
            push_quoted(parts, next.encode_utf8(&mut [0; 4]));
        } else if context.is_escapable(next) {
            self.bump();
            push_literal(parts, next);
        } else {
            push_literal(parts, '\\');
        }
        Ok(())
    }

    /// Reads what follows a `$`; `None` if it stands for itself.
    fn dollar(&mut self, context: Context) -> Result<Option<WordPart>, ParseError> {
        if self.take("((") {
            let parts = self.parts(Context::Arithmetic)?;
            if !self.take("))") {
                self.bump();
                return Err(self.unexpected_next(Expected::Token("))")));
            }
            return Ok(Some(WordPart::Arithmetic(parts)));
        }
        if self.take("(") {
            let (program, nested) = Parser::over(self.nested()).substituted()?;
            self.go_on_behind(nested);
            return Ok(Some(WordPart::Substitution(program)));
        }
        if self.take("{") {
            return self.braces(context).map(Some);
        }
        let Some(parameter) = self.parameter(false) else {
            return Ok(None);
        };
        Ok(Some(WordPart::Parameter(ParameterExpansion {
            parameter,
            operation: Operation::Value,
        })))
    }

    fn parameter(&mut self, is_in_braces: bool) -> Option<Parameter> {
        let next = self.peek()?;
        if is_name_start(next) {
            let mut name = self.take_while(is_name_character);
            while self.take("\\\n") {
                name += &self.take_while(is_name_character);
            }
            return Some(Parameter::Variable(name));
        }
        if next.is_ascii_digit() && is_in_braces {
            let digits = self.take_while(|character| character.is_ascii_digit());
            return digits.parse().ok().map(Parameter::Positional);
        }
        let parameter = match next {
            '0'..='9' => Parameter::Positional(u32::from(next) - u32::from('0')),
            '@' => Parameter::Arguments,
            '*' => Parameter::JoinedArguments,
            '#' => Parameter::ArgumentCount,
            '?' => Parameter::Status,
            '$' => Parameter::ProcessId,
            '!' => Parameter::LastBackground,
            '-' => Parameter::Options,
            _ => return None,
        };
        self.bump();
        Some(parameter)
    }

    /// Reads what follows `${`.
    fn braces(&mut self, context: Context) -> Result<WordPart, ParseError> {
        let start = self.position();
        if self.take("#") {
            if let Some(parameter) = self.parameter(true) {
                if self.rest().is_empty() {
                    return Err(self.ended(Expected::Token("}")));
                }
                if self.take("}") {
                    return Ok(WordPart::Parameter(ParameterExpansion {
                        parameter,
                        operation: Operation::Length,
                    }));
                }
            }
            self.seek(start);
        }
        let Some(parameter) = self.parameter(true) else {
            return Err(self.unexpected_next(Expected::Parameter));
        };
        let operation = self.operation(context)?;
        if !self.take("}") {
            return Err(self.unexpected_next(Expected::Token("}")));
        }
        Ok(WordPart::Parameter(ParameterExpansion {
            parameter,
            operation,
        }))
    }

    fn operation(&mut self, context: Context) -> Result<Operation, ParseError> {
        let or_empty = self.take(":");
        let inner = if context.is_quoted() {
            Context::QuotedBraces
        } else {
            Context::Braces
        };
        let operator = match self.peek() {
            Some(operator @ ('-' | '=' | '?' | '+')) => operator,
            Some(operator @ ('#' | '%')) if !or_empty => operator,
            _ if or_empty => return Err(self.unexpected_next(Expected::Token("-"))),
            _ => return Ok(Operation::Value),
        };
        self.bump();
        // A pattern is quoted for itself, whatever stands around the braces.
        let is_longest =
            matches!(operator, '#' | '%') && self.take(operator.encode_utf8(&mut [0; 4]));
        let word_context = if matches!(operator, '#' | '%') {
            Context::Braces
        } else {
            inner
        };
        let word = Word {
            parts: self.parts(word_context)?,
        };
        Ok(match operator {
            '-' => Operation::Default { or_empty, word },
            '=' => Operation::Assign { or_empty, word },
            '?' => Operation::Require { or_empty, word },
            '+' => Operation::Alternative { or_empty, word },
            '#' => Operation::RemovePrefix {
                is_longest,
                pattern: word,
            },
            _ => Operation::RemoveSuffix {
                is_longest,
                pattern: word,
            },
        })
    }

    /// Reads what follows a backquote, the old form of `$(…)`.
    fn backquotes(&mut self, context: Context) -> Result<WordPart, ParseError> {
        let start = self.position();
        let mut text = String::new();
        loop {
            match self.bump() {
                None => return Err(self.ended(Expected::ClosingQuote('`'))),
                Some('`') => break,
                Some('\\') => match self.peek() {
                    Some(next @ ('$' | '`' | '\\')) => {
                        self.bump();
                        text.push(next);
                    }
                    Some('"') if context.is_escapable('"') => {
                        self.bump();
                        text.push('"');
                    }
                    _ => text.push('\\'),
                },
                Some(character) => text.push(character),
            }
        }
        Parser::over(self.fragment(&text, start))
            .whole()
            .map(WordPart::Substitution)
    }
}

fn push_literal(parts: &mut Vec<WordPart>, character: char) {
    match parts.last_mut() {
        Some(WordPart::Literal(text)) => text.push(character),
        _ => parts.push(WordPart::Literal(character.to_string())),
    }
}

fn push_quoted(parts: &mut Vec<WordPart>, quoted: &str) {
    match parts.last_mut() {
        Some(WordPart::Quoted(text)) => text.push_str(quoted),
        _ => parts.push(WordPart::Quoted(quoted.to_string())),
    }
}
