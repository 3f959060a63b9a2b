//! Tokens that no source of an untrusted crate may contain, anywhere in it.
//!
//! The compiler's lint `unsafe_code` looks at code after macros are expanded, and
//! is silent for tokens that come from a macro of another crate and for most
//! attributes. So each file is read as tokens, with the compiler's own lexer, and
//! what could make `unsafe` code or name a foreign function is refused in any
//! position: in a macro's definition, in its arguments, in code that is configured
//! out. A macro can reorder the tokens it is given, never make a new one; so the
//! few that are harmless in one place only (`extern crate alloc;`) may stand just
//! there, outside of every bracket.
//!
//! A lint of an own compiler driver would see less: it runs after expansion, where
//! a token's origin is no longer what was written, and needs an unstable compiler.

use ra_ap_rustc_lexer::{
    FrontmatterAllowed, LiteralKind, Token, TokenKind, strip_shebang, tokenize,
};

/// Why there are no raw pointers: their addresses as numbers are compiled wrong
/// (`holes::addresses`).
const POINTERS: &str = "raw pointers stand in kernel/ and trusted/ only";

/// Words that are refused everywhere, and why.
const WORDS: [(&[&str], &str); 5] = [
    (
        &["unsafe"],
        "unsafe code stands in kernel/ and trusted/ only",
    ),
    (
        &["asm", "global_asm", "naked_asm", "naked"],
        "instructions of one's own stand in kernel/ and trusted/ only",
    ),
    (
        &[
            "no_mangle",
            "export_name",
            "link_name",
            "link_section",
            "link_args",
            "link_ordinal",
            "global_allocator",
            "alloc_error_handler",
            "panic_handler",
            "proc_macro",
            "proc_macro_attribute",
            "proc_macro_derive",
        ],
        "symbols and sections of an image are made in trusted/ only",
    ),
    (
        &[
            "addr",
            "addr_of",
            "addr_of_mut",
            "align_offset",
            "as_mut_ptr",
            "as_mut_ptr_range",
            "as_ptr",
            "as_ptr_range",
            "AtomicPtr",
            "expose_provenance",
            "from_raw_parts",
            "into_raw",
            "into_raw_parts",
            "NonNull",
            "ptr",
            "RawWaker",
            "SyncUnsafeCell",
            "UnsafeCell",
        ],
        POINTERS,
    ),
    (
        &["include"],
        "a source file is a module of its package: expected `mod`",
    ),
];

/// Attributes that may be used; of a path the first word counts.
const ATTRIBUTES: [&str; 41] = [
    "allow",
    "automatically_derived",
    "cfg",
    "cfg_attr",
    "clippy",
    "cold",
    "default",
    "deny",
    "deprecated",
    "derive",
    "diagnostic",
    "doc",
    "domain",
    "error",
    "exchange",
    "expect",
    "forbid",
    "from",
    "inline",
    "interface",
    "macro_export",
    "macros",
    "must_use",
    "no_main",
    "no_std",
    "non_exhaustive",
    "once",
    "path",
    "posix",
    "program",
    "proptest_config",
    "recursion_limit",
    "repeatable",
    "repr",
    "runtime",
    "rustfmt",
    "serde",
    "should_panic",
    "test",
    "track_caller",
    "warn",
];

/// Crates that `extern crate` may name.
const LIBRARIES: [&str; 3] = ["alloc", "core", "std"];

/// What a file must not contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// Line, from 1.
    pub line: usize,
    /// What stands there, and what is expected.
    pub message: String,
}

/// A token that is neither space nor comment.
#[derive(Clone, Copy)]
struct Piece<'a> {
    kind: TokenKind,
    text: &'a str,
    offset: usize,
}

/// Looks for the first thing in a file that an untrusted crate may not contain.
pub fn check(text: &str) -> Result<(), Forbidden> {
    // The compiler leaves out what the lexer would take for tokens.
    if text.starts_with('\u{feff}') || strip_shebang(text).is_some() {
        let message = "the file begins with a byte order mark or `#!`: expected Rust".to_owned();
        return Err(Forbidden { line: 1, message });
    }
    let pieces = pieces(text);
    let found = (0..pieces.len())
        .scan(0_usize, |depth, at| {
            let here = *depth;
            match pieces[at].kind {
                TokenKind::OpenBrace | TokenKind::OpenBracket | TokenKind::OpenParen => *depth += 1,
                TokenKind::CloseBrace | TokenKind::CloseBracket | TokenKind::CloseParen => {
                    *depth = depth.saturating_sub(1);
                }
                _ => {}
            }
            Some((at, here))
        })
        .find_map(|(at, depth)| Some((at, refusal(&pieces, at, depth)?)));
    match found {
        None => Ok(()),
        Some((at, message)) => {
            let before = text.get(..pieces[at].offset).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Err(Forbidden { line, message })
        }
    }
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut offset = 0;
    let piece = |token: Token| {
        let start = offset;
        offset += token.len as usize;
        let text = text.get(start..offset).unwrap_or_default();
        let kind = token.kind;
        Piece {
            kind,
            text,
            offset: start,
        }
    };
    let is_code = |piece: &Piece<'_>| {
        !matches!(
            piece.kind,
            TokenKind::Whitespace
                | TokenKind::LineComment { .. }
                | TokenKind::BlockComment { .. }
                | TokenKind::Eof
        )
    };
    tokenize(text, FrontmatterAllowed::No)
        .map(piece)
        .filter(is_code)
        .collect()
}

/// Why the token at a position may not stand there.
fn refusal(pieces: &[Piece<'_>], at: usize, depth: usize) -> Option<String> {
    let piece = pieces[at];
    match piece.kind {
        TokenKind::Ident if piece.text == "extern" => foreign(pieces, at, depth),
        TokenKind::Ident => word(piece.text),
        TokenKind::InvalidIdent | TokenKind::RawIdent | TokenKind::ForcedKeywordIdent => {
            let name = piece.text;
            Some(format!("`{name}` is refused: expected a plain identifier"))
        }
        TokenKind::Pound => attribute(pieces, at),
        TokenKind::Star | TokenKind::And => pointer(pieces, at),
        _ => None,
    }
}

/// Whether a word is one of those that are refused everywhere.
fn word(text: &str) -> Option<String> {
    if !text.is_ascii() {
        return Some(format!("`{text}` is refused: expected an ASCII identifier"));
    }
    WORDS
        .iter()
        .find(|(words, _)| words.contains(&text))
        .map(|(_, reason)| format!("`{text}` is refused: {reason}"))
}

/// Looks at `*` and `&`: they begin no pointer's type, and take no address.
fn pointer(pieces: &[Piece<'_>], at: usize) -> Option<String> {
    let following = |distance: usize| pieces.get(at + distance).map_or("", |piece| piece.text);
    let is_kind = |text: &str| matches!(text, "const" | "mut");
    let first = pieces[at].text;
    let is_pointer = first == "*" && is_kind(following(1));
    let is_address = first == "&" && following(1) == "raw" && is_kind(following(2));
    (is_pointer || is_address).then(|| format!("`{first}{}` is refused: {POINTERS}", following(1)))
}

/// Looks at `extern`: it may begin `extern crate alloc;` and nothing else.
fn foreign(pieces: &[Piece<'_>], at: usize, depth: usize) -> Option<String> {
    let following = |distance: usize| pieces.get(at + distance).map_or("", |piece| piece.text);
    let is_library =
        following(1) == "crate" && LIBRARIES.contains(&following(2)) && following(3) == ";";
    if is_library && depth == 0 {
        return None;
    }
    let libraries = LIBRARIES.join(", ");
    Some(format!(
        "`extern {} {}` is refused: expected `extern crate` of {libraries}, outside of brackets and without `as`",
        following(1),
        following(2)
    ))
}

/// Looks at `#`: it begins an attribute that may be used.
fn attribute(pieces: &[Piece<'_>], at: usize) -> Option<String> {
    let is_inner = pieces.get(at + 1).is_some_and(|piece| piece.text == "!");
    let open = at + 1 + usize::from(is_inner);
    if pieces.get(open).is_none_or(|piece| piece.text != "[") {
        return Some("`#` is refused here: expected an attribute after it".to_owned());
    }
    let end = closing(pieces, open);
    meta(&pieces[open + 1..end])
}

/// Position of the bracket that closes the one at `open`; the end of the text for
/// one that nothing closes.
fn closing(pieces: &[Piece<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, piece) in pieces.iter().enumerate().skip(open) {
        match piece.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth <= 1 => return at,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
    }
    pieces.len()
}

/// Looks at what stands between the brackets of an attribute.
fn meta(pieces: &[Piece<'_>]) -> Option<String> {
    let skip = pieces.iter().take_while(|piece| piece.text == ":").count();
    let pieces = &pieces[skip..];
    let name = pieces.first().map_or("", |piece| piece.text);
    if !pieces.is_empty()
        && let Some(reason) = refusal(pieces, 0, 1)
    {
        return Some(reason);
    }
    if !ATTRIBUTES.contains(&name) {
        return Some(format!(
            "the attribute `{name}` is refused: expected one of those that tool/src/build/tokens.rs lists"
        ));
    }
    match name {
        "cfg_attr" => conditional(pieces),
        // It makes code of the text.
        "serde" => pieces.iter().find_map(|piece| text(piece)),
        "path" => path(pieces),
        _ => None,
    }
}

/// Looks at each attribute in `cfg_attr(condition, attribute, …)`.
fn conditional(pieces: &[Piece<'_>]) -> Option<String> {
    let inner = pieces.get(2..closing(pieces, 1))?;
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, piece) in inner.iter().enumerate() {
        match piece.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let attributes = parts.into_iter().skip(1);
    attributes.filter(|part| !part.is_empty()).find_map(meta)
}

/// Looks at the code in a text.
fn text(piece: &Piece<'_>) -> Option<String> {
    if !matches!(piece.kind, TokenKind::Literal { .. }) {
        return None;
    }
    // An escape can hide a word.
    if piece.text.contains('\\') {
        return Some("an escape is refused here: expected plain text".to_owned());
    }
    let inner = piece.text.trim_start_matches(['r', 'b', 'c']);
    let inner = inner.trim_matches(['#', '"']);
    let pieces = pieces(inner);
    (0..pieces.len()).find_map(|at| refusal(&pieces, at, 1))
}

/// Looks at the file that a module is read from.
fn path(pieces: &[Piece<'_>]) -> Option<String> {
    let literal = pieces.get(2).filter(|piece| {
        matches!(
            piece.kind,
            TokenKind::Literal {
                kind: LiteralKind::Str { terminated: true },
                ..
            }
        )
    });
    let is_good = literal.is_some_and(|literal| {
        let name = literal.text.trim_matches('"');
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
        name.ends_with(".rs") && name.chars().all(is_plain) && !name.starts_with('/')
    });
    (!is_good).then(|| "the path of a module is refused: expected \"FILE.rs\"".to_owned())
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
