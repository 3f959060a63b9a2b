//! The scripts of a corpus, and which of them may end differently.

use std::fs;

use serde::Deserialize;

use super::Verdict;
use crate::error::ToolError;
use crate::test::TestError;
use crate::tree::Tree;

/// What a line begins with that begins a script and names it.
const HEAD: &str = "#: ";

/// One script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// Its file and what its first line says.
    pub name: String,
    /// What the shell gets to run.
    pub text: String,
}

/// How scripts stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Each behind a line that names it.
    Scripts,
    /// Each a line, which is its name too; `#` begins a comment.
    Lines,
}

/// Reads all scripts of a folder's `.sh` files, in the files' order.
///
/// # Errors
/// [`TestError::Table`] or [`ToolError::File`].
pub fn read(tree: &Tree, folder: &'static str, form: Form) -> Result<Vec<Snippet>, ToolError> {
    let path = tree.path(folder);
    let entries = fs::read_dir(&path).map_err(ToolError::file("read", &path))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|end| end == "sh"))
        .collect();
    files.sort();
    let mut snippets: Vec<Snippet> = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(ToolError::file("read", &file))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        snippets.extend(match form {
            Form::Scripts => split(&stem, &text),
            Form::Lines => lines(&stem, &text),
        });
    }
    let mut names: Vec<&str> = snippets.iter().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let message = format!("two scripts are called {:?}", pair[0]);
        return Err(TestError::Table {
            file: folder,
            message,
        }
        .into());
    }
    Ok(snippets)
}

/// The scripts of a file; what stands before the first is for readers.
fn split(file: &str, text: &str) -> Vec<Snippet> {
    let mut snippets: Vec<Snippet> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix(HEAD) {
            snippets.push(Snippet {
                name: format!("{file}: {}", name.trim()),
                text: String::new(),
            });
        } else if let Some(last) = snippets.last_mut() {
            last.text += line;
        }
    }
    for snippet in &mut snippets {
        // The empty line before the next one is no part of it.
        if snippet.text.ends_with("\n\n") {
            snippet.text.pop();
        }
    }
    snippets
}

/// The scripts of a file that has one a line.
fn lines(file: &str, text: &str) -> Vec<Snippet> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| Snippet {
            name: format!("{file}: {line}"),
            text: format!("{line}\n"),
        })
        .collect()
}

/// Scripts that may end differently, each with a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    #[serde(default)]
    allowed: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    snippet: String,
    #[expect(dead_code, reason = "for who reads the list; it may not be missing")]
    reason: String,
}

impl Allowed {
    /// Reads a folder's `allowed.toml`.
    ///
    /// # Errors
    /// [`TestError::Table`] or [`ToolError::File`].
    pub fn read(tree: &Tree, folder: &'static str) -> Result<Self, ToolError> {
        let path = tree.path(folder).join("allowed.toml");
        let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
        Self::parse(&text).map_err(|error| {
            let message = error.to_string().trim().to_owned();
            TestError::Table {
                file: folder,
                message,
            }
            .into()
        })
    }

    /// Reads the list's text.
    ///
    /// # Errors
    /// As TOML's parser.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Whether a script may end differently.
    pub fn has(&self, name: &str) -> bool {
        self.allowed.iter().any(|entry| entry.snippet == name)
    }

    /// Complaints of what is allowed and does not happen.
    pub(super) fn unused(&self, snippets: &[Snippet], verdicts: &[Verdict]) -> Vec<String> {
        let is_used = |entry: &&Entry| {
            let mut pairs = snippets.iter().zip(verdicts);
            pairs.any(|(snippet, verdict)| {
                snippet.name == entry.snippet && *verdict == Verdict::Allowed
            })
        };
        let unused = self.allowed.iter().filter(|entry| !is_used(entry));
        unused
            .map(|entry| format!("{}: allowed to differ, but does not", entry.snippet))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_their_own_names() {
        let snippets = lines("f", "# words\n\necho a\necho b; false\n");
        let pairs: Vec<_> = (snippets.iter())
            .map(|one| (one.name.as_str(), one.text.as_str()))
            .collect();
        let expected = [
            ("f: echo a", "echo a\n"),
            ("f: echo b; false", "echo b; false\n"),
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn scripts_begin_with_their_names() {
        let snippets = split("f", "# words\n\n#: one\necho a\n\n#: two\necho b\n");
        let pairs: Vec<_> = (snippets.iter())
            .map(|one| (one.name.as_str(), one.text.as_str()))
            .collect();
        assert_eq!(pairs, [("f: one", "echo a\n"), ("f: two", "echo b\n")]);
    }
}
