//! Features that an untrusted package may ask for.
//!
//! Cargo builds all images at once, so a feature that one package asks for is on in
//! every image that has the crate, the supervisor's included: a program could silence
//! everybody's log. So a package outside of kernel/ and trusted/ asks for none of a
//! package there, and of a crate from the registry for those that `vetted.toml` lists.
//! Dependencies of tests count only for those tests (resolver 2), and crates that are
//! vetted for the host are in no image. What untrusted packages ask of each other
//! chooses among code that is looked at anyway.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::manifests::Member;
use super::trust::{self, TrustError, VettedList};
use super::wrapper::TRUSTED_ROOMS;
use crate::error::ToolError;

/// What a dependency without `default-features = false` asks for.
const DEFAULT: &str = "default";

/// Checks what an untrusted package asks for.
///
/// # Errors
/// [`TrustError::Manifest`] for the first feature that is refused, or
/// [`ToolError::File`].
pub fn check(root: &Path, members: &[Member]) -> Result<(), ToolError> {
    let vetted = trust::read_vetted(root)?;
    for member in members.iter().filter(|member| member.is_untrusted()) {
        let file = format!("{}/Cargo.toml", member.folder);
        let path = root.join(&file);
        let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
        let manifest = text.parse::<Table>().unwrap_or_default();
        for (name, dependency) in dependencies(&manifest) {
            let asked = asked_by(dependency).chain(asked_beside(&manifest, name));
            for feature in asked {
                if let Some(expected) = refusal(&vetted, name, dependency, feature) {
                    let message = format!(
                        "the feature {feature} of {name} is refused, as it would be on in every image: expected {expected}"
                    );
                    return Err(TrustError::Manifest { file, message }.into());
                }
            }
        }
    }
    Ok(())
}

/// The dependencies that are built into images, on any platform.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values);
    let tables = targets.filter_map(Value::as_table).chain([manifest]);
    tables
        .filter_map(|table| table.get("dependencies")?.as_table())
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

/// The features that a dependency names.
fn asked_by(dependency: &Value) -> impl Iterator<Item = &str> {
    let is_plain = dependency.get("default-features").and_then(Value::as_bool) == Some(false);
    let named = dependency.get("features").and_then(Value::as_array);
    let named = named.into_iter().flatten().filter_map(Value::as_str);
    named.chain((!is_plain).then_some(DEFAULT))
}

/// The features of a dependency that features of the package turn on: `name/feature`,
/// or `name?/feature`.
fn asked_beside<'a>(manifest: &'a Table, name: &str) -> impl Iterator<Item = &'a str> {
    let own = manifest.get("features").and_then(Value::as_table);
    let lists = own.into_iter().flat_map(Table::values);
    let parts = lists.filter_map(Value::as_array).flatten();
    parts.filter_map(Value::as_str).filter_map(move |part| {
        let (of, feature) = part.split_once('/')?;
        (of.trim_end_matches('?') == name).then_some(feature)
    })
}

/// What is expected instead of a feature; `None` if it may be asked for.
fn refusal(
    vetted: &VettedList,
    name: &str,
    dependency: &Value,
    feature: &str,
) -> Option<&'static str> {
    if let Some(path) = dependency.get("path").and_then(Value::as_str) {
        let is_trusted = Path::new(path)
            .components()
            .any(|part| TRUSTED_ROOMS.iter().any(|room| part.as_os_str() == *room));
        let is_refused = is_trusted && feature != DEFAULT;
        return is_refused.then_some("no feature of a package in kernel/ or trusted/");
    }
    let is_of_crate = |key: &str| key.split('@').next() == Some(name);
    let mut entries = vetted.iter().filter(|(key, _)| is_of_crate(key)).peekable();
    // What is not there at all is refused as such.
    entries.peek()?;
    let is_listed = entries
        .all(|(_, entry)| entry.host_only || entry.features.iter().any(|listed| listed == feature));
    (!is_listed)
        .then_some("those that vetted.toml lists, and default-features = false without \"default\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a package with this in its manifest.
    #[track_caller]
    fn verdict(manifest: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let member = Member {
            folder: "lib/a".to_owned(),
            name: "a".to_owned(),
        };
        fs::create_dir_all(folder.path().join("lib/a")).unwrap();
        fs::write(folder.path().join("lib/a/Cargo.toml"), manifest).unwrap();
        let entry = |name: &str, more: &str| {
            format!("[{name}]\nversion = \"1.0.0\"\nlicence = \"MIT\"\nwhy = \"w\"\n{more}\n")
        };
        let vetted = entry("log", "")
            + &entry("serde", "features = [\"derive\"]")
            + &entry("loom", "host_only = true");
        fs::write(folder.path().join("vetted.toml"), vetted).unwrap();
        check(folder.path(), &[member]).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn features_that_are_listed_may_be_asked_for() {
        for manifest in [
            "[dependencies]\nlog = { version = \"1\", default-features = false }",
            "[dependencies]\nserde = { version = \"1\", default-features = false, features = [\"derive\"] }",
            "[dependencies]\nloom = \"1\"",
            "[dev-dependencies]\nlog = \"1\"",
            "[dependencies]\nb = { path = \"../b\", features = [\"own\"] }",
            "[dependencies]\nexchange = { path = \"../../trusted/exchange\" }",
            "[features]\nown = [\"dep:serde\"]",
        ] {
            assert_eq!(verdict(manifest), "", "{manifest}");
        }
    }

    #[test]
    fn others_are_refused() {
        for manifest in [
            "[dependencies]\nlog = \"1\"",
            "[dependencies]\nlog = { version = \"1\" }",
            "[dependencies]\nlog = { version = \"1\", default-features = true }",
            "[dependencies]\nlog = { version = \"1\", default-features = false, features = [\"max_level_off\"] }",
            "[target.'cfg(all())'.dependencies]\nlog = { version = \"1\", default-features = false, features = [\"std\"] }",
            "[dependencies]\nlog = { version = \"1\", default-features = false }\n[features]\ndefault = [\"log/max_level_off\"]",
            "[dependencies]\nlog = { version = \"1\", default-features = false }\n[features]\ndefault = [\"log?/max_level_off\"]",
            "[dependencies]\nexchange = { path = \"../../trusted/exchange\", features = [\"host\"] }",
        ] {
            assert!(verdict(manifest).contains("is refused"), "{manifest}");
        }
    }
}
