//! Here-documents: their lines follow the line that announces them.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::error::{Expected, ParseError};
use crate::lexer::Lexer;
use crate::syntax::{
    Command, Compound, Program, Redirection, RedirectionKind, SimpleCommand, Word, WordPart,
};
use crate::word::Context;

/// A `<<` whose lines have not been reached yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingDocument {
    delimiter: String,
    /// The delimiter was quoted: nothing in the lines is expanded.
    is_verbatim: bool,
    /// It was `<<-`: tabs at the beginning of lines are dropped.
    drops_tabs: bool,
}

impl PendingDocument {
    /// `None` if the delimiter contains an expansion.
    pub(crate) fn new(delimiter: &Word, drops_tabs: bool) -> Option<Self> {
        let mut text = String::new();
        let mut is_verbatim = false;
        for part in &delimiter.parts {
            match part {
                WordPart::Literal(literal) => text.push_str(literal),
                WordPart::Quoted(quoted) => {
                    is_verbatim = true;
                    text.push_str(quoted);
                }
                WordPart::DoubleQuoted(inner) => {
                    is_verbatim = true;
                    match inner.as_slice() {
                        [] => {}
                        [WordPart::Literal(literal)] => text.push_str(literal),
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
        Some(Self {
            delimiter: text,
            is_verbatim,
            drops_tabs,
        })
    }

    /// What a text that ends here lacks.
    pub(crate) fn expected_end(&self) -> Expected {
        Expected::HereDocumentEnd(self.delimiter.clone())
    }
}

impl Lexer {
    /// Reads the lines of all here-documents announced on the line just ended.
    pub(crate) fn read_announced_documents(&mut self) -> Result<(), ParseError> {
        for document in core::mem::take(&mut self.announced) {
            let body = self.read_document(&document)?;
            self.documents.push(body);
        }
        Ok(())
    }

    fn read_document(&mut self, document: &PendingDocument) -> Result<Word, ParseError> {
        let start = self.position();
        let mut text = String::new();
        loop {
            if self.rest().is_empty() {
                if self.may_go_on() {
                    return Err(self.ended(document.expected_end()));
                }
                break;
            }
            let line = self.take_while(|character| character != '\n');
            let has_newline = self.take("\n");
            let line = match document.drops_tabs {
                true => line.trim_start_matches('\t'),
                false => line.as_str(),
            };
            if line == document.delimiter {
                break;
            }
            if !has_newline && self.may_go_on() {
                return Err(self.ended(document.expected_end()));
            }
            text.push_str(line);
            if has_newline {
                text.push('\n');
            }
        }
        let part = if document.is_verbatim {
            WordPart::Quoted(text)
        } else {
            WordPart::DoubleQuoted(self.fragment(&text, start).parts(Context::HereDocument)?)
        };
        Ok(Word { parts: vec![part] })
    }
}

/// Puts the bodies, in the order they were announced, where they belong.
pub(crate) fn distribute(program: &mut Program, documents: Vec<Word>) {
    if !documents.is_empty() {
        into_program(program, &mut documents.into_iter());
    }
}

fn into_program(program: &mut Program, documents: &mut dyn Iterator<Item = Word>) {
    for item in &mut program.items {
        let list = &mut item.list;
        let rest = list.rest.iter_mut().map(|(_, pipeline)| pipeline);
        for pipeline in core::iter::once(&mut list.first).chain(rest) {
            for command in &mut pipeline.commands {
                into_command(command, documents);
            }
        }
    }
}

fn into_command(command: &mut Command, documents: &mut dyn Iterator<Item = Word>) {
    match command {
        Command::Simple(SimpleCommand { redirections, .. }) => {
            into_redirections(redirections, documents);
        }
        Command::Compound(compound, redirections) => {
            into_compound(compound, documents);
            into_redirections(redirections, documents);
        }
        Command::Function { body, .. } => into_command(body, documents),
    }
}

fn into_compound(compound: &mut Compound, documents: &mut dyn Iterator<Item = Word>) {
    match compound {
        Compound::Group(body) | Compound::Subshell(body) | Compound::For { body, .. } => {
            into_program(body, documents);
        }
        Compound::If {
            branches,
            otherwise,
        } => {
            for branch in branches {
                into_program(&mut branch.condition, documents);
                into_program(&mut branch.body, documents);
            }
            if let Some(otherwise) = otherwise {
                into_program(otherwise, documents);
            }
        }
        Compound::Loop {
            condition, body, ..
        } => {
            into_program(condition, documents);
            into_program(body, documents);
        }
        Compound::Case { arms, .. } => {
            for arm in arms {
                into_program(&mut arm.body, documents);
            }
        }
    }
}

fn into_redirections(redirections: &mut [Redirection], documents: &mut dyn Iterator<Item = Word>) {
    for redirection in redirections {
        if let RedirectionKind::HereDocument(document) = &mut redirection.kind {
            document.body = documents
                .next()
                .expect("the parser announced one document per redirection");
        }
    }
}

/// A delimiter that is no line of `body`.
pub(crate) fn free_delimiter(body: &str) -> String {
    let mut delimiter = "EOF".to_string();
    while body.lines().any(|line| line == delimiter) {
        delimiter.push('_');
    }
    delimiter
}
