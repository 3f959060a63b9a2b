//! Pathname expansion: replaces a pattern by the names that match it.

use alloc::string::String;

use glob_match::{Pattern, PatternChar};

use crate::environment::Environment;
use crate::expand::{ExpandError, Strings};
use crate::fields::Field;

/// Bytes of the longest text that is taken for a pattern. No path is that long, so a
/// longer one stands for itself.
const LONGEST_PATTERN: usize = 64 * 1024;

/// Adds the paths that match the field, sorted; the field's own text if none does.
pub(crate) fn expand(
    field: Field,
    environment: &mut dyn Environment,
    into: &mut Strings,
) -> Result<(), ExpandError> {
    let is_pattern = field.has_wildcard && field.text.len() <= LONGEST_PATTERN;
    if !is_pattern || !environment.expands_pathnames() {
        return into.push(field.text);
    }
    let mut paths = into.aside();
    matching_paths(&field.pattern(), environment, &mut paths)?;
    let paths = paths.into_vec();
    if paths.is_empty() {
        return into.push(field.text);
    }
    paths.into_iter().try_for_each(|path| into.push(path))
}

fn matching_paths(
    field: &[PatternChar],
    environment: &mut dyn Environment,
    paths: &mut Strings,
) -> Result<(), ExpandError> {
    let mut found_any_wildcard = false;
    let mut needs_check = false;
    paths.push(String::new())?;
    let components = field.split(|given| given.character == '/');
    for (index, component) in components.enumerate() {
        if index > 0 {
            paths.extend_each("/")?;
        }
        let pattern = Pattern::from_characters(component);
        if let Some(name) = pattern.as_literal() {
            paths.extend_each(&name)?;
            needs_check = true;
        } else {
            let mut found = paths.emptied();
            for path in paths.iter() {
                add_matching_names(path, &pattern, environment, &mut found)?;
            }
            *paths = found;
            found_any_wildcard = true;
            needs_check = false;
        }
    }
    if !found_any_wildcard {
        paths.retain(|_| false);
    }
    if needs_check {
        paths.retain(|path| environment.exists(path));
    }
    paths.sort();
    Ok(())
}

/// `directory` itself ends in a slash or is empty.
fn add_matching_names(
    directory: &str,
    pattern: &Pattern,
    environment: &mut dyn Environment,
    found: &mut Strings,
) -> Result<(), ExpandError> {
    let is_wanted = |name: &str| {
        // A hidden name has to be asked for by its dot.
        let is_visible = !name.starts_with('.') || pattern.starts_with_literal('.');
        name != "." && name != ".." && is_visible && pattern.matches(name)
    };
    let mut result = Ok(());
    environment.read_dir(directory, &mut |name| {
        if is_wanted(name) {
            result = found.push(alloc::format!("{directory}{name}"));
        }
        result.is_ok()
    });
    result
}
