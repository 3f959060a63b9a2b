//! Rust source as tokens with line numbers: code apart from comments.
//!
//! The compiler's own lexer cuts the text, so that a rule about code does not
//! fire on a string or a comment, nor one about comments on code.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ra_ap_rustc_lexer::{FrontmatterAllowed, TokenKind, tokenize};

use crate::error::ToolError;
use crate::tree::Tree;

/// A piece of a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its text.
    pub text: &'a str,
    /// Lines it stands in, from 1; the end is exclusive.
    pub lines: Range<usize>,
    /// Whether it is an identifier or a keyword.
    pub is_word: bool,
}

/// A source text, cut.
#[derive(Debug, Default)]
pub struct Source<'a> {
    /// Tokens of the program.
    pub code: Vec<Piece<'a>>,
    /// Comments that are no documentation, with their slashes.
    pub comments: Vec<Piece<'a>>,
    /// Comments that are documentation.
    pub docs: Vec<Piece<'a>>,
}

impl<'a> Source<'a> {
    /// Cuts a text; any text will do.
    pub fn parse(text: &'a str) -> Self {
        let mut source = Self::default();
        let (mut offset, mut line) = (0, 1);
        for token in tokenize(text, FrontmatterAllowed::No) {
            let end = offset + token.len as usize;
            let piece = text.get(offset..end).unwrap_or_default();
            let last_line = line + piece.matches('\n').count();
            let piece = Piece {
                text: piece,
                lines: line..last_line + 1,
                is_word: token.kind == TokenKind::Ident,
            };
            match token.kind {
                TokenKind::Whitespace | TokenKind::Eof => {}
                TokenKind::LineComment { doc_style: None }
                | TokenKind::BlockComment {
                    doc_style: None, ..
                } => source.comments.push(piece),
                TokenKind::LineComment { .. } | TokenKind::BlockComment { .. } => {
                    source.docs.push(piece);
                }
                _ => source.code.push(piece),
            }
            (offset, line) = (end, last_line);
        }
        source
    }

    /// Where these tokens stand one after the other: positions in the code.
    pub fn find<'s>(&'s self, tokens: &'s [&str]) -> impl Iterator<Item = usize> + 's {
        self.code
            .windows(tokens.len().max(1))
            .enumerate()
            .filter(|(_, window)| {
                window
                    .iter()
                    .map(|piece| piece.text)
                    .eq(tokens.iter().copied())
            })
            .map(|(position, _)| position)
    }

    /// Position of the brace that closes the first one opened at or after
    /// `start`; `None` for a text that ends before, or a `;` before it.
    pub fn body_end(&self, start: usize) -> Option<usize> {
        let mut depth = 0_usize;
        // A `;` inside brackets belongs to the type of an array.
        let mut brackets = 0_usize;
        for (position, piece) in self.code.iter().enumerate().skip(start) {
            match piece.text {
                "{" => depth += 1,
                "}" if depth <= 1 => return (depth == 1).then_some(position),
                "}" => depth -= 1,
                "[" | "(" => brackets += 1,
                "]" | ")" => brackets = brackets.saturating_sub(1),
                ";" if depth == 0 && brackets == 0 => return None,
                _ => {}
            }
        }
        None
    }
}

/// Every file of the tree with one of these endings, hidden folders and built
/// files left out; sorted.
pub fn files(tree: &Tree, endings: &[&str]) -> Result<Vec<PathBuf>, ToolError> {
    let mut found = Vec::new();
    collect(tree.root(), endings, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) -> Result<(), ToolError> {
    let failed = |error| ToolError::file("read", folder)(error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() && !name.starts_with('.') && name != "target" {
            collect(&entry.path(), endings, found)?;
        } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(pieces: &[Piece<'a>]) -> Vec<&'a str> {
        pieces.iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn code_comments_and_documentation_come_apart() {
        let source = Source::parse("/// Doc.\nlet a = \"// no\"; // yes\n/* b\n */ c");
        assert_eq!(texts(&source.docs), ["/// Doc."]);
        assert_eq!(
            texts(&source.code),
            ["let", "a", "=", "\"// no\"", ";", "c"]
        );
        assert_eq!(texts(&source.comments), ["// yes", "/* b\n */"]);
        assert_eq!(source.comments[1].lines, 3..5);
        assert_eq!(source.code[5].lines, 4..5);
    }

    #[test]
    fn a_body_ends_at_its_own_brace() {
        let source = Source::parse("fn a(b: [u8; 2]) { { } } fn c();");
        let end = source.body_end(0).unwrap();
        assert_eq!(source.code[end + 1].text, "fn");
        assert_eq!(source.body_end(end + 1), None);
    }

    #[test]
    fn runs_of_tokens_are_found() {
        let source = Source::parse("# ! [ x ] #![x]");
        assert_eq!(source.find(&["#", "!", "["]).count(), 2);
        assert_eq!(source.find(&["y"]).count(), 0);
    }
}
