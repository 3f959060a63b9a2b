//! Pathname expansion: replaces a pattern by the names that match it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use glob_match::{Pattern, PatternChar};

use crate::environment::Environment;
use crate::fields::Field;

/// The paths that match the field, sorted; the field's own text if none does.
pub(crate) fn expand(field: &Field, environment: &mut dyn Environment) -> Vec<String> {
    let has_wildcard = field
        .iter()
        .any(|given| !given.is_quoted && matches!(given.character, '*' | '?' | '['));
    let mut paths = Vec::new();
    if has_wildcard && environment.expands_pathnames() {
        paths = matching_paths(field, environment);
    }
    if paths.is_empty() {
        paths.push(text(field));
    }
    paths
}

fn text(characters: &[PatternChar]) -> String {
    characters.iter().map(|given| given.character).collect()
}

fn matching_paths(field: &Field, environment: &mut dyn Environment) -> Vec<String> {
    let mut paths = vec![String::new()];
    let mut found_any_wildcard = false;
    let mut needs_check = false;
    let components = field.split(|given| given.character == '/');
    for (index, component) in components.enumerate() {
        if index > 0 {
            paths.iter_mut().for_each(|path| path.push('/'));
        }
        let pattern = Pattern::from_characters(component);
        if let Some(name) = pattern.as_literal() {
            paths.iter_mut().for_each(|path| path.push_str(&name));
            needs_check = true;
        } else {
            paths = paths
                .iter()
                .flat_map(|path| matching_names(path, &pattern, environment))
                .collect();
            found_any_wildcard = true;
            needs_check = false;
        }
    }
    if !found_any_wildcard {
        return Vec::new();
    }
    if needs_check {
        paths.retain(|path| environment.exists(path));
    }
    paths.sort_unstable();
    paths
}

/// `directory` itself ends in a slash or is empty.
fn matching_names(
    directory: &str,
    pattern: &Pattern,
    environment: &mut dyn Environment,
) -> Vec<String> {
    let is_wanted = |name: &String| {
        // A hidden name has to be asked for by its dot.
        let is_visible = !name.starts_with('.') || pattern.starts_with_literal('.');
        name != "." && name != ".." && is_visible && pattern.matches(name)
    };
    environment
        .read_dir(directory)
        .unwrap_or_default()
        .into_iter()
        .filter(is_wanted)
        .map(|name| alloc::format!("{directory}{name}"))
        .collect()
}
