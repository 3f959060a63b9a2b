//! Prints a tree as text that parses to the same tree.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::here_document::free_delimiter;
use crate::parameter::written;
use crate::parser::is_reserved;
use crate::syntax::{
    Command, Compound, Connector, Item, Operation, ParameterExpansion, Pipeline, Program,
    Redirection, RedirectionKind, SimpleCommand, Word, WordPart,
};
use crate::word::Context;

impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer::default();
        printer.program(self);
        formatter.write_str(&printer.text)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer::default();
        printer.command(self);
        if !printer.documents.is_empty() {
            printer.newline();
        }
        formatter.write_str(&printer.text)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer::default();
        printer.parts(&self.parts, Context::Word);
        formatter.write_str(&printer.text)
    }
}

#[derive(Default)]
struct Printer {
    text: String,
    /// Lines, with their delimiter, that follow the next newline.
    documents: Vec<String>,
}

impl Printer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn newline(&mut self) {
        self.push("\n");
        for document in core::mem::take(&mut self.documents) {
            self.push(&document);
        }
    }

    fn line(&mut self, text: &str) {
        self.push(text);
        self.newline();
    }

    /// Every item on a line of its own.
    fn program(&mut self, program: &Program) {
        for item in &program.items {
            self.item(item);
            self.newline();
        }
    }

    fn item(&mut self, item: &Item) {
        self.pipeline(&item.list.first);
        for (connector, pipeline) in &item.list.rest {
            self.push(match connector {
                Connector::And => " && ",
                Connector::Or => " || ",
            });
            self.pipeline(pipeline);
        }
        if item.is_background {
            self.push(" &");
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        if pipeline.is_negated {
            self.push("! ");
        }
        for (index, command) in pipeline.commands.iter().enumerate() {
            if index > 0 {
                self.push(" | ");
            }
            self.command(command);
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirections) => {
                self.compound(compound);
                for redirection in redirections {
                    self.push(" ");
                    self.redirection(redirection);
                }
            }
            Command::Function { name, body } => {
                self.push(name);
                self.push("() ");
                self.command(body);
            }
        }
    }

    fn simple(&mut self, command: &SimpleCommand) {
        let start = self.text.len();
        // Behind a redirection a reserved word is an ordinary one.
        let hides_word =
            command.assignments.is_empty() && command.words.first().is_some_and(is_reserved);
        if hides_word {
            self.redirections(start, &command.redirections);
        }
        for assignment in &command.assignments {
            self.space(start);
            self.push(&assignment.name);
            self.push("=");
            self.parts(&assignment.value.parts, Context::Word);
        }
        for word in &command.words {
            self.space(start);
            self.parts(&word.parts, Context::Word);
        }
        if !hides_word {
            self.redirections(start, &command.redirections);
        }
    }

    /// A space, unless the command that began at `start` is still empty.
    fn space(&mut self, start: usize) {
        if self.text.len() > start {
            self.push(" ");
        }
    }

    fn redirections(&mut self, start: usize, redirections: &[Redirection]) {
        for redirection in redirections {
            self.space(start);
            self.redirection(redirection);
        }
    }

    fn redirection(&mut self, redirection: &Redirection) {
        let (operator, target) = match &redirection.kind {
            RedirectionKind::Input(target) => ("<", target),
            RedirectionKind::Output(target) => (">", target),
            RedirectionKind::Clobber(target) => (">|", target),
            RedirectionKind::Append(target) => (">>", target),
            RedirectionKind::ReadWrite(target) => ("<>", target),
            RedirectionKind::DuplicateInput(target) => ("<&", target),
            RedirectionKind::DuplicateOutput(target) => (">&", target),
            RedirectionKind::HereDocument(document) => {
                self.push(&format!("{}<<", redirection.descriptor));
                self.here_document(&document.body);
                return;
            }
        };
        self.push(&format!("{}{operator}", redirection.descriptor));
        self.parts(&target.parts, Context::Word);
    }

    fn here_document(&mut self, body: &Word) {
        let mut lines = Printer::default();
        let mut is_verbatim = false;
        for part in &body.parts {
            match part {
                WordPart::DoubleQuoted(inner) => lines.parts(inner, Context::HereDocument),
                WordPart::Quoted(text) => {
                    is_verbatim = true;
                    lines.push(text);
                }
                other => lines.part(other, Context::HereDocument),
            }
        }
        let delimiter = free_delimiter(&lines.text);
        if is_verbatim {
            self.push(&format!("'{delimiter}'"));
        } else {
            self.push(&delimiter);
        }
        self.documents.push(format!("{}{delimiter}\n", lines.text));
    }

    fn compound(&mut self, compound: &Compound) {
        match compound {
            Compound::Group(body) => self.block("{", body, "}"),
            Compound::Subshell(body) => self.block("(", body, ")"),
            Compound::If {
                branches,
                otherwise,
            } => {
                for (index, branch) in branches.iter().enumerate() {
                    self.line(if index == 0 { "if" } else { "elif" });
                    self.program(&branch.condition);
                    self.line("then");
                    self.program(&branch.body);
                }
                if let Some(otherwise) = otherwise {
                    self.line("else");
                    self.program(otherwise);
                }
                self.push("fi");
            }
            Compound::Loop {
                is_until,
                condition,
                body,
            } => {
                self.line(if *is_until { "until" } else { "while" });
                self.program(condition);
                self.block("do", body, "done");
            }
            Compound::For { name, values, body } => {
                self.push(&format!("for {name}"));
                if let Some(values) = values {
                    self.push(" in");
                    for value in values {
                        self.push(" ");
                        self.parts(&value.parts, Context::Word);
                    }
                }
                self.newline();
                self.block("do", body, "done");
            }
            Compound::Case { subject, arms } => {
                self.push("case ");
                self.parts(&subject.parts, Context::Word);
                self.line(" in");
                for arm in arms {
                    for (index, pattern) in arm.patterns.iter().enumerate() {
                        self.push(if index == 0 { "(" } else { "|" });
                        self.parts(&pattern.parts, Context::Word);
                    }
                    self.line(")");
                    self.program(&arm.body);
                    self.line(";;");
                }
                self.push("esac");
            }
        }
    }

    fn block(&mut self, opening: &str, body: &Program, closing: &str) {
        self.line(opening);
        self.program(body);
        self.push(closing);
    }

    fn parts(&mut self, parts: &[WordPart], context: Context) {
        for part in parts {
            self.part(part, context);
        }
    }

    fn part(&mut self, part: &WordPart, context: Context) {
        match part {
            WordPart::Literal(text) => {
                for character in text.chars() {
                    if context.is_quoted() && context.is_escapable(character) {
                        self.push("\\");
                    }
                    self.text.push(character);
                }
            }
            WordPart::Quoted(text) => {
                self.push("'");
                self.push(&text.replace('\'', r"'\''"));
                self.push("'");
            }
            WordPart::DoubleQuoted(inner) => {
                self.push("\"");
                self.parts(inner, Context::DoubleQuotes);
                self.push("\"");
            }
            WordPart::Parameter(expansion) => self.parameter(expansion, context),
            WordPart::Substitution(program) => {
                let mut inner = Printer::default();
                inner.program(program);
                self.push(if inner.text.starts_with('(') {
                    "$( "
                } else {
                    "$("
                });
                // The newline stays only where a here-document needs it.
                let text = inner.text.as_str();
                let is_one_line = text.matches('\n').count() <= 1;
                self.push(if is_one_line {
                    text.trim_end_matches('\n')
                } else {
                    text
                });
                self.push(")");
            }
            WordPart::Arithmetic(inner) => {
                self.push("$((");
                self.parts(inner, Context::Arithmetic);
                self.push("))");
            }
        }
    }

    fn parameter(&mut self, expansion: &ParameterExpansion, context: Context) {
        let inner = if context.is_quoted() {
            Context::QuotedBraces
        } else {
            Context::Braces
        };
        self.push("${");
        if expansion.operation == Operation::Length {
            self.push("#");
        }
        self.push(&written(&expansion.parameter));
        let colon =
            |or_empty: &bool, operator| format!("{}{operator}", if *or_empty { ":" } else { "" });
        let repeat =
            |is_longest: &bool, operator: &str| operator.repeat(1 + usize::from(*is_longest));
        let (operator, word, word_context) = match &expansion.operation {
            Operation::Value | Operation::Length => {
                self.push("}");
                return;
            }
            Operation::Default { or_empty, word } => (colon(or_empty, '-'), word, inner),
            Operation::Assign { or_empty, word } => (colon(or_empty, '='), word, inner),
            Operation::Require { or_empty, word } => (colon(or_empty, '?'), word, inner),
            Operation::Alternative { or_empty, word } => (colon(or_empty, '+'), word, inner),
            Operation::RemovePrefix {
                is_longest,
                pattern,
            } => (repeat(is_longest, "#"), pattern, Context::Braces),
            Operation::RemoveSuffix {
                is_longest,
                pattern,
            } => (repeat(is_longest, "%"), pattern, Context::Braces),
        };
        self.push(&operator);
        self.parts(&word.parts, word_context);
        self.push("}");
    }
}
