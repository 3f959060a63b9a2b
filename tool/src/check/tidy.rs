//! What every Rust file must look like, judged by its tokens alone.

use std::fs;

use super::source::{self, Piece, Source};
use super::{Finding, Findings, shown};
use crate::error::ToolError;
use crate::tree::Tree;

/// Most characters of a file's first line.
const FIRST_LINE_CHARACTERS: usize = 80;

/// Most lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 100;

/// Words that promise work instead of doing it.
const PROMISES: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

/// Macros that only a draft contains.
const DRAFT_MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];

/// Keywords that may stand beside a name; two other words in a row are prose.
const KEYWORDS: [&str; 24] = [
    "as", "break", "const", "dyn", "else", "enum", "extern", "fn", "for", "if", "impl", "in",
    "let", "loop", "match", "mod", "mut", "pub", "ref", "return", "static", "struct", "unsafe",
    "use",
];

/// Checks every Rust file of the tree.
///
/// # Errors
/// [`ToolError::File`] for a file that cannot be read.
pub fn check(tree: &Tree) -> Result<Findings, ToolError> {
    let mut findings = Findings::new();
    for path in source::files(tree, &[".rs"])? {
        let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
        findings.extend(check_file(&shown(tree.root(), &path), &text));
    }
    Ok(findings)
}

/// Checks one file.
fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let source = Source::parse(text);
    let mut found = Vec::new();
    found.extend(opening(text).map(|message| (1, message)));
    found.extend(promises(&source));
    found.extend(drafts(&source));
    found.extend(commented_code(&source));
    found.extend(long_functions(&source));
    // Compile-fail tests show code that is wrong on purpose.
    if !path.contains("/refused/") {
        found.extend(unjustified_unsafe(&source, text));
    }
    found
        .into_iter()
        .map(|(line, message)| Finding::new(path, line, message))
        .collect()
}

type Found = (usize, String);

/// The first line says what the file is.
fn opening(text: &str) -> Option<String> {
    let first = text.lines().next().unwrap_or_default();
    let length = first.chars().count();
    if !first.starts_with("//! ") {
        Some("expected the file to open with a line //! that says what it is".to_owned())
    } else if length > FIRST_LINE_CHARACTERS {
        Some(format!(
            "the first line has {length} characters, expected at most {FIRST_LINE_CHARACTERS}"
        ))
    } else {
        None
    }
}

/// Comments that promise work.
fn promises(source: &Source<'_>) -> Vec<Found> {
    let comments = source.comments.iter().chain(&source.docs);
    let promise = |comment: &Piece<'_>| {
        let mut words = comment.text.split(|c: char| !c.is_alphanumeric());
        words.find_map(|word| PROMISES.into_iter().find(|promise| *promise == word))
    };
    comments
        .filter_map(|comment| {
            let promise = promise(comment)?;
            let message = format!("{promise} in a comment: do it, or file it");
            Some((comment.lines.start, message))
        })
        .collect()
}

/// Macros of a draft, and tests that are not run.
fn drafts(source: &Source<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for name in DRAFT_MACROS {
        for position in source.find(&[name, "!"]) {
            let line = source.code[position].lines.start;
            found.push((line, format!("{name}! is for drafts: write what is meant")));
        }
    }
    for position in source.find(&["#", "[", "ignore"]) {
        let line = source.code[position].lines.start;
        found.push((line, "a test that is ignored shows nothing".to_owned()));
    }
    found
}

/// Comments that are code.
fn commented_code(source: &Source<'_>) -> Vec<Found> {
    source
        .comments
        .iter()
        .filter(|comment| is_code(comment.text))
        .map(|comment| {
            let message = "commented-out code: delete it, the history keeps it".to_owned();
            (comment.lines.start, message)
        })
        .collect()
}

/// Whether the text of a comment is code: it ends like code, and nowhere do
/// two words stand beside each other as in prose.
fn is_code(comment: &str) -> bool {
    let text = comment.trim_start_matches('/').trim();
    let ends_like_code = text.ends_with([';', '{', '}']) || text.starts_with("#[");
    let source = Source::parse(text);
    let is_name = |piece: &Piece<'_>| piece.is_word && !KEYWORDS.contains(&piece.text);
    let is_prose = source
        .code
        .windows(2)
        .any(|pair| is_name(&pair[0]) && is_name(&pair[1]));
    ends_like_code && !is_prose && !source.code.is_empty()
}

/// Functions that nobody can see at once.
fn long_functions(source: &Source<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for position in source.find(&["fn"]) {
        let Some(name) = source.code.get(position + 1).filter(|next| next.is_word) else {
            continue;
        };
        let Some(end) = source.body_end(position) else {
            continue;
        };
        let first = source.code[position].lines.start;
        let lines = source.code[end].lines.start - first + 1;
        if lines > FUNCTION_LINES {
            let name = name.text;
            found.push((
                first,
                format!("{name} has {lines} lines, expected at most {FUNCTION_LINES}: split it"),
            ));
        }
    }
    found
}

/// Unsafe blocks and implementations without a `SAFETY:` comment. Clippy sees
/// neither what macros generate nor what another configuration compiles.
fn unjustified_unsafe(source: &Source<'_>, text: &str) -> Vec<Found> {
    let lines: Vec<&str> = text.lines().collect();
    let blocks = source.find(&["unsafe", "{"]);
    let implementations = source.find(&["unsafe", "impl"]);
    blocks
        .chain(implementations)
        .map(|position| source.code[position].lines.start)
        .filter(|line| !is_justified(&lines, *line))
        .map(|line| {
            let message = "unsafe without // SAFETY: expected the conditions and why they hold";
            (line, message.to_owned())
        })
        .collect()
}

/// Whether a `SAFETY:` comment stands in front of the statement around a line.
fn is_justified(lines: &[&str], line: usize) -> bool {
    if lines
        .get(line - 1)
        .is_some_and(|own| own.contains("// SAFETY:"))
    {
        return true;
    }
    for before in lines.iter().take(line - 1).rev().map(|line| line.trim()) {
        if before.starts_with("//") || before.starts_with("#[") {
            if before.contains("SAFETY:") {
                return true;
            }
        } else if before.is_empty() || before.ends_with([';', '}']) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages for a file with this text after a proper first line.
    fn messages(text: &str) -> Vec<String> {
        check_file("lib/a.rs", &format!("//! A file.\n{text}"))
            .into_iter()
            .map(|finding| format!("{}: {}", finding.line, finding.message))
            .collect()
    }

    #[track_caller]
    fn fires(text: &str, expected: &str) {
        let messages = messages(text);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].contains(expected), "{messages:?}");
    }

    #[track_caller]
    fn is_good(text: &str) {
        assert_eq!(messages(text), Vec::<String>::new());
    }

    #[test]
    fn a_file_opens_with_a_short_line_about_itself() {
        let opening = |text: &str| check_file("a.rs", text).len();
        assert_eq!(opening("//! What it is.\nfn a() {}\n"), 0);
        assert_eq!(opening(&format!("//! {}\n", "é".repeat(76))), 0);
        assert_eq!(opening(&format!("//! {}\n", "e".repeat(77))), 1);
        assert_eq!(opening("fn a() {}\n"), 1);
        assert_eq!(opening(""), 1);
    }

    #[test]
    fn promises_are_found_in_comments_only() {
        fires("// TODO: later\n", "2: TODO in a comment");
        fires("/// FIXME\nfn a() {}\n", "FIXME");
        is_good("const A: &str = \"TODO\";\n// A TODOLIST is a list.\n");
    }

    #[test]
    fn drafts_are_found_in_code_only() {
        fires("fn a() {\n    dbg!(1);\n}\n", "3: dbg!");
        fires("fn a() {\n    unimplemented!()\n}\n", "unimplemented!");
        fires("#[ignore]\nfn a() {}\n", "ignored");
        fires("#[ignore = \"slow\"]\nfn a() {}\n", "ignored");
        is_good("// dbg!(1) would print.\nconst A: &str = \"todo!()\";\n");
    }

    #[test]
    fn code_in_a_comment_is_found_and_prose_is_not() {
        fires("// let a = b.c();\n", "2: commented-out");
        fires("// if a {\n", "commented-out");
        fires("// #[test]\n", "commented-out");
        fires("//}\n", "commented-out");
        is_good("// The first of them (it has none);\n// the second {1, 2}\n// says so.\n");
        is_good("/// let a = b;\nfn a() {}\n// a = b\n");
    }

    #[test]
    fn a_function_of_a_hundred_lines_is_the_longest() {
        let function = |lines: usize| format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2));
        is_good(&function(100));
        fires(&function(101), "a has 101 lines");
        is_good("trait T {\n    fn a();\n}\ntype F = fn(u8) -> u8;\n");
    }

    #[test]
    fn unsafe_needs_its_conditions() {
        fires("fn a() {\n    unsafe { b() }\n}\n", "3: unsafe without");
        fires("unsafe impl Send for A {}\n", "unsafe without");
        fires(
            "fn a() {\n    // SAFETY: c.\n    unsafe { b() };\n    unsafe { b() }\n}\n",
            "5: unsafe without",
        );
        is_good(
            "fn a() {\n    // SAFETY: c,\n    // and d.\n    let e =\n        unsafe { b() };\n}\n",
        );
        is_good("// SAFETY: no pointer.\nunsafe impl Send for A {}\n");
        is_good("const A: &str = \"unsafe { }\"; // unsafe { }.\nunsafe fn a() {}\n");
    }
}
