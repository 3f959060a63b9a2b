//! How many terminal columns text takes, and where it may be cut.

use unicode_width::UnicodeWidthChar;

/// Columns of one character: 0 for combining marks, 2 for wide ones.
pub(crate) fn columns(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// Columns of a text without control characters.
pub(crate) fn text_columns(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Whether the character belongs to the one before it.
pub(crate) fn is_combining(character: char) -> bool {
    columns(character) == 0 && !character.is_control()
}

/// The end of the character at `at` with all its combining marks.
pub(crate) fn next_boundary(text: &str, at: usize) -> usize {
    let mut characters = text[at..].char_indices();
    characters.next();
    characters
        .find(|(_, character)| !is_combining(*character))
        .map_or(text.len(), |(offset, _)| at + offset)
}

/// The beginning of the character before `at`, combining marks skipped.
pub(crate) fn previous_boundary(text: &str, at: usize) -> usize {
    text[..at]
        .char_indices()
        .rev()
        .find(|(_, character)| !is_combining(*character))
        .map_or(0, |(offset, _)| offset)
}
