//! The README's folder map, compared with the top-level folders both ways.

use std::collections::BTreeMap;
use std::fs;

use super::{Finding, Findings};
use crate::error::ToolError;
use crate::tree::Tree;

/// The file with the map.
const README: &str = "README.md";

/// Compares the map with the folders.
///
/// # Errors
/// [`ToolError::File`] if the file or the tree cannot be read.
pub fn check(tree: &Tree) -> Result<Findings, ToolError> {
    let path = tree.path(README);
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    let mut folders = Vec::new();
    let failed = |error| ToolError::file("read", tree.root())(error);
    for entry in fs::read_dir(tree.root()).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') && name != "target" {
            folders.push(name);
        }
    }
    Ok(compare(&text, &folders))
}

/// Compares the rows of the map with the folders.
fn compare(text: &str, folders: &[String]) -> Findings {
    let rows = rows(text);
    let last = rows.values().max().copied().unwrap_or(1);
    let missing = folders
        .iter()
        .filter(|folder| !rows.contains_key(folder.as_str()))
        .map(|folder| {
            let message = format!("folder {folder} is not in the folder map: expected a line");
            Finding::new(README, last, message)
        });
    let stale = rows
        .iter()
        .filter(|(name, _)| !folders.iter().any(|folder| folder == *name))
        .map(|(name, line)| {
            let message = format!("the folder map lists {name}, which is no folder");
            Finding::new(README, *line, message)
        });
    missing.chain(stale).collect()
}

/// The map's rows, ``| `name` | what it is |``: name and line.
fn rows(text: &str) -> BTreeMap<&str, usize> {
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let rest = line.strip_prefix("| `")?;
        let end = rest.find("` |")?;
        Some((3, 3 + end))
    };
    text.lines()
        .enumerate()
        .filter_map(|(position, line)| {
            let (start, end) = name(line)?;
            Some((line.get(start..end)?.trim_end_matches('/'), position + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str, folders: &[&str]) -> Vec<String> {
        let folders: Vec<String> = folders.iter().map(|name| (*name).to_owned()).collect();
        compare(text, &folders)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    const MAP: &str =
        "# A\n\n| folder | what |\n|---|---|\n| `docs` | guides |\n| `lib` | code |\n";

    #[test]
    fn a_map_of_all_folders_is_good() {
        assert!(messages(MAP, &["docs", "lib"]).is_empty());
    }

    #[test]
    fn missing_and_stale_rows_are_found() {
        assert_eq!(
            messages(MAP, &["docs", "kernel"]),
            [
                "README.md:6: folder kernel is not in the folder map: expected a line",
                "README.md:6: the folder map lists lib, which is no folder",
            ]
        );
    }
}
