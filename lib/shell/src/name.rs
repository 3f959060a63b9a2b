//! What can name a variable.

/// Whether `text` can name a variable.
pub fn is_name(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(is_name_character)
}

pub(crate) fn is_name_start(character: char) -> bool {
    character == '_' || character.is_ascii_alphabetic()
}

pub(crate) fn is_name_character(character: char) -> bool {
    character == '_' || character.is_ascii_alphanumeric()
}
