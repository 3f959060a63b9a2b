//! Counts lines of Rust: those with code, and those inside `unsafe`.
//!
//! Comments, documentation, blank lines and tests do not count. The compiler's
//! own tokens are counted, so strings and nested comments confuse nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines with code.
    pub code: usize,
    /// Lines of `unsafe` blocks, from the keyword to the closing brace.
    pub in_unsafe: usize,
    /// `unsafe` blocks.
    pub blocks: usize,
    /// `unsafe` functions, traits, implementations and foreign items.
    pub items: usize,
}

impl std::ops::AddAssign for Lines {
    fn add_assign(&mut self, more: Self) {
        self.code += more.code;
        self.in_unsafe += more.in_unsafe;
        self.blocks += more.blocks;
        self.items += more.items;
    }
}

/// Counts some files together. A file that is no Rust, which the compiler would
/// refuse, counts nothing.
pub fn of_files<'a>(files: impl Iterator<Item = &'a Path>) -> Lines {
    let mut total = Lines::default();
    for file in files {
        if let Ok(source) = fs::read_to_string(file) {
            total += of_source(&source);
        }
    }
    total
}

/// The source files that cargo's builds in these folders read, from what the
/// compiler wrote beside its results.
pub fn compiled(root: &Path, folders: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for folder in folders {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "d")
                && let Ok(text) = fs::read_to_string(&path)
            {
                files.extend(sources(&text).into_iter().map(|file| root.join(file)));
            }
        }
    }
    files
}

/// The Rust files behind the colons of a dependency file. Spaces within names
/// have a backslash in front.
fn sources(dependencies: &str) -> BTreeSet<PathBuf> {
    let lists = dependencies
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "));
    let mut files = BTreeSet::new();
    for (_, list) in lists {
        let marked = list.replace("\\ ", "\0");
        let names = marked
            .split_whitespace()
            .map(|name| name.replace('\0', " "));
        files.extend(
            names
                .filter(|name| name.ends_with(".rs"))
                .map(PathBuf::from),
        );
    }
    files
}

/// Counts one file.
pub fn of_source(source: &str) -> Lines {
    let mut counter = Counter::default();
    if let Ok(tokens) = source.parse() {
        counter.stream(tokens, false);
    }
    Lines {
        code: counter.code.len(),
        in_unsafe: counter.in_unsafe.len(),
        ..counter.lines
    }
}

#[derive(Default)]
struct Counter {
    code: BTreeSet<usize>,
    in_unsafe: BTreeSet<usize>,
    lines: Lines,
}

impl Counter {
    fn stream(&mut self, tokens: TokenStream, is_unsafe: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            if let Some(skipped) = not_counted(&tokens[index..]) {
                index += skipped;
                continue;
            }
            let mut is_block = false;
            if matches!(token, TokenTree::Ident(word) if word == "unsafe") {
                is_block = is_brace(tokens.get(index + 1));
                self.lines.blocks += usize::from(is_block);
                self.lines.items += usize::from(!is_block);
            }
            self.token(token, is_unsafe || is_block);
            index += 1;
            if is_block && let Some(block) = tokens.get(index) {
                self.token(block, true);
                index += 1;
            }
        }
    }

    fn token(&mut self, token: &TokenTree, is_unsafe: bool) {
        match token {
            TokenTree::Group(group) => {
                for side in [group.span_open(), group.span_close()] {
                    self.mark(side.start().line, side.end().line, is_unsafe);
                }
                self.stream(group.stream(), is_unsafe);
            }
            other => {
                let span = other.span();
                self.mark(span.start().line, span.end().line, is_unsafe);
            }
        }
    }

    fn mark(&mut self, first: usize, last: usize, is_unsafe: bool) {
        self.code.extend(first..=last);
        if is_unsafe {
            self.in_unsafe.extend(first..=last);
        }
    }
}

fn is_brace(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}

/// How many tokens from here on are documentation or an item of the tests.
fn not_counted(tokens: &[TokenTree]) -> Option<usize> {
    let is_mark =
        |token: &TokenTree, mark| matches!(token, TokenTree::Punct(own) if own.as_char() == mark);
    if !is_mark(tokens.first()?, '#') {
        return None;
    }
    let group = if is_mark(tokens.get(1)?, '!') { 2 } else { 1 };
    let TokenTree::Group(attribute) = tokens.get(group)? else {
        return None;
    };
    let text = attribute.stream().to_string();
    if text.starts_with("doc ") || text.starts_with("doc=") {
        return Some(group + 1);
    }
    if group == 2 || text.replace(' ', "") != "cfg(test)" {
        return None;
    }
    // The item ends with its braces, or with a semicolon.
    let rest = &tokens[group + 1..];
    let length = rest
        .iter()
        .position(|token| is_brace(Some(token)) || is_mark(token, ';'));
    Some(group + 1 + length.map_or(rest.len(), |length| length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_documentation_and_tests_do_not_count() {
        let source = "//! Module.\n\n/// Doc.\n#[inline]\nfn a() {\n    // why\n    b();\n}\n\
                      /* unsafe { } */\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\n\
                      #[cfg(test)]\nuse x::y;\nconst S: &str = \"unsafe {\n\n}\";\n";
        let lines = of_source(source);
        // Attribute, fn, call, brace; the string's three lines.
        assert_eq!((lines.code, lines.blocks, lines.in_unsafe), (7, 0, 0));
    }

    #[test]
    fn unsafe_blocks_are_told_from_unsafe_items() {
        let source = "unsafe fn f() {\n    g();\n}\nunsafe impl Send for A {}\nfn h() {\n    \
                      let x = unsafe {\n        // SAFETY: yes.\n        f()\n    };\n    unsafe { f() };\n}\n";
        let lines = of_source(source);
        assert_eq!((lines.items, lines.blocks), (2, 2));
        // `let x = unsafe {`, the call, the brace, and the one-line block.
        assert_eq!(lines.in_unsafe, 4);
        assert_eq!(lines.code, 10);
    }

    #[test]
    fn dependency_files_name_sources() {
        let text = "/t/a.d: src/lib.rs src/my\\ file.rs notes.md\n\n/t/liba.rlib: src/lib.rs\n\n\
                    src/lib.rs:\n# env-dep:X=y: z.rs\n";
        let files: Vec<_> = sources(text).into_iter().collect();
        assert!(
            files.contains(&PathBuf::from("src/my file.rs")),
            "{files:?}"
        );
        assert!(files.contains(&PathBuf::from("src/lib.rs")), "{files:?}");
        assert_eq!(files.len(), 2, "{files:?}");
    }

    #[test]
    fn what_is_no_rust_counts_nothing() {
        assert_eq!(of_source("fn ( {"), Lines::default());
    }
}
