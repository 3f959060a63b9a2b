//! A script, parsed one complete command at a time.

use alloc::sync::Arc;

use crate::alias::Aliases;
use crate::error::ParseError;
use crate::lexer::Lexer;
use crate::parser::Parser;
use crate::syntax::Program;

/// A text of which each complete command is parsed when those before it have run, as
/// they may define aliases or end the script.
#[derive(Clone, Debug)]
pub struct Script {
    text: Arc<str>,
    lexer: Lexer,
    may_go_on: bool,
}

impl Script {
    /// A text that is complete: a here-document may end with it.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            lexer: Lexer::new(text),
            may_go_on: false,
        }
    }

    /// The beginning of a text that goes on: what more may complete is
    /// [`ParseError::Incomplete`].
    pub fn beginning(text: &str) -> Self {
        Self {
            text: text.into(),
            lexer: Lexer::new(text),
            may_go_on: true,
        }
    }

    /// The next complete command; `None` at the end.
    ///
    /// # Errors
    ///
    /// Why there is none; nothing behind it can be parsed then.
    pub fn next_command(&mut self, aliases: &Arc<Aliases>) -> Result<Option<Program>, ParseError> {
        let lexer = self.lexer.anew().with(aliases, self.may_go_on);
        let Some((program, lexer)) = Parser::over(lexer).complete_command()? else {
            return Ok(None);
        };
        self.lexer = lexer;
        Ok(Some(program))
    }

    /// What was parsed of the text.
    pub fn text_parsed(&self) -> &str {
        let end = self.text.len().saturating_sub(self.lexer.rest().len());
        self.text.get(..end).unwrap_or_default()
    }
}
