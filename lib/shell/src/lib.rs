//! Parser and expander of a POSIX shell subset; it runs no command itself.
//!
//! [`Script`] turns text into one [`Program`] after the other; a shell walks that tree
//! and calls [`expand`](expand()) on each [`Word`] just before it needs the value.
//! What only the running system knows — variables, directories, the output of a
//! command — comes through the [`Environment`] trait.
//!
//! Supported: simple commands with assignments, all quoting, parameters with
//! `:-` `:=` `:?` `:+` `#` `##` `%` `%%` and length, `$(…)`, backquotes,
//! `$((…))`, pipelines, `!`, `&&`, `||`, `;`, `&`, redirections including
//! `>&` and here-documents, `(…)`, `{…}`, `if`, `while`, `until`, `for`,
//! `case`, functions, aliases, tilde, field splitting and pathname patterns.
//!
//! Not supported: `$'…'`, `select`, arrays, process substitution.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod alias;
mod arithmetic;
mod atoms;
mod environment;
mod error;
mod expand;
mod fields;
mod here_document;
mod lexer;
mod name;
mod parameter;
mod parser;
mod pathname;
mod print;
mod script;
mod syntax;
mod word;

pub use alias::Aliases;
pub use arithmetic::ArithmeticError;
pub use environment::Environment;
pub use error::{Expected, ParseError};
pub use expand::{
    ExpandError, expand, expand_all, expand_declaration, expand_pattern, expand_to_string,
};
pub use fields::split_line;
pub use name::is_name;
pub use parser::Parser;
pub use script::Script;
pub use syntax::{
    AndOr, Assignment, CaseArm, Command, Compound, Connector, HereDocument, IfBranch, Item,
    Operation, Parameter, ParameterExpansion, Pipeline, Program, Redirection, RedirectionKind,
    SimpleCommand, Word, WordPart,
};
