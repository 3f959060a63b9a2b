//! Which manifests the build reads at all: keys and values that are allowed.
//!
//! Cargo has many ways to run code, to rename a crate or to take one from
//! elsewhere, and gets more. So this is a list of what may stand in the manifest of
//! an untrusted package and in the workspace's; everything else is refused. It is
//! read before cargo reads anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path};

use toml::{Table, Value};

use super::trust::TrustError;
use super::wrapper::{TOOL_ROOM, TRUSTED_ROOMS, UNTRUSTED_ROOMS};
use crate::error::ToolError;

/// The workspace's manifest.
const ROOT: &str = "Cargo.toml";

/// Keys of an untrusted package; `*` is any one key, `[]` each table of a list.
const MEMBER_KEYS: [&str; 18] = [
    "package.name",
    "package.description",
    "package.version.workspace",
    "package.edition.workspace",
    "package.license.workspace",
    "package.rust-version.workspace",
    "package.publish",
    // What a test's image is signed for (`role`).
    "package.metadata.redleaf.role",
    "lints.workspace",
    "lib.test",
    "lib.doctest",
    "lib.path",
    "bin[].name",
    "bin[].path",
    "bin[].test",
    "test[].name",
    "test[].path",
    "features.*",
];

/// Where its dependencies stand.
const DEPENDENCIES: [&str; 4] = [
    "dependencies.*",
    "dev-dependencies.*",
    "target.*.dependencies.*",
    "target.*.dev-dependencies.*",
];

/// Keys of a dependency.
const DEPENDENCY_KEYS: [&str; 5] = [
    "path",
    "version",
    "features",
    "default-features",
    "optional",
];

/// Keys of the workspace.
const ROOT_KEYS: [&str; 4] = [
    "workspace.resolver",
    "workspace.members",
    "workspace.package.*",
    "workspace.lints.**",
];

/// Where keys of profiles stand.
const PROFILES: [&str; 2] = ["profile.*.*", "profile.*.package.*.*"];

/// Keys of a profile.
const PROFILE_KEYS: [&str; 10] = [
    "codegen-units",
    "debug",
    "debug-assertions",
    "incremental",
    "inherits",
    "lto",
    "opt-level",
    "overflow-checks",
    "panic",
    "strip",
];

/// Crates of the compiler, by names that generated code uses.
pub const COMPILER_CRATES: [&str; 5] = ["alloc", "core", "proc_macro", "std", "test"];

/// A package of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its folder, relative to the tree.
    pub folder: String,
    /// Its name.
    pub name: String,
}

impl Member {
    /// Whether it lies in a room that may not contain `unsafe`.
    pub fn is_untrusted(&self) -> bool {
        is_in(&self.folder, &UNTRUSTED_ROOMS)
    }
}

/// Reads the manifests of the workspace in `root`; its members.
///
/// # Errors
/// [`TrustError::Manifest`] for the first thing that is not allowed.
pub fn check(root: &Path) -> Result<Vec<Member>, ToolError> {
    let manifest = read(root, ROOT)?;
    check_root(&manifest)?;
    let folders = folders(&manifest)?;
    let mut members = Vec::new();
    let mut manifests = Vec::new();
    for folder in folders {
        let file = format!("{folder}/Cargo.toml");
        let manifest = read(root, &file)?;
        let name = lookup(&manifest, &["package", "name"]).and_then(Value::as_str);
        let name = name.ok_or_else(|| refuse(&file, "expected a package with a name"))?;
        let name = name.to_owned();
        members.push(Member { folder, name });
        manifests.push((file, manifest));
    }
    check_names(&members)?;
    let names: BTreeMap<&str, &str> = members
        .iter()
        .map(|member| (member.folder.as_str(), member.name.as_str()))
        .collect();
    for (member, (file, manifest)) in members.iter().zip(&manifests) {
        if member.is_untrusted() {
            check_member(file, &member.folder, manifest, &names)?;
        }
    }
    Ok(members)
}

fn read(root: &Path, file: &str) -> Result<Table, ToolError> {
    let path = root.join(file);
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    text.parse::<Table>()
        .map_err(|error| refuse(file, error.message().replace('\n', ", ")).into())
}

fn refuse(file: &str, message: impl Into<String>) -> TrustError {
    TrustError::Manifest {
        file: file.to_owned(),
        message: message.into(),
    }
}

fn lookup<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (last, outer) = keys.split_last()?;
    let mut table = table;
    for key in outer {
        table = table.get(*key)?.as_table()?;
    }
    table.get(*last)
}

fn check_root(manifest: &Table) -> Result<(), TrustError> {
    for key in keys(manifest) {
        let is_profile = key
            .last()
            .is_some_and(|last| PROFILE_KEYS.contains(&last.as_str()));
        let is_key = ROOT_KEYS.iter().any(|pattern| matches(pattern, &key));
        let is_in_profile = PROFILES.iter().any(|pattern| matches(pattern, &key));
        if !(is_key || is_in_profile && is_profile) {
            let key = key.join(".");
            return Err(refuse(
                ROOT,
                format!("{key} is refused: expected members, lints and profiles"),
            ));
        }
    }
    let edition = lookup(manifest, &["workspace", "package", "edition"]);
    if edition.and_then(Value::as_str) != Some("2024") {
        return Err(refuse(
            ROOT,
            "workspace.package.edition is refused: expected \"2024\"",
        ));
    }
    let resolver = lookup(manifest, &["workspace", "resolver"]).and_then(Value::as_str);
    if !matches!(resolver, Some("2" | "3")) {
        return Err(refuse(
            ROOT,
            "workspace.resolver is refused: expected \"2\" or \"3\"",
        ));
    }
    Ok(())
}

/// The folders of the members, each in a room.
fn folders(manifest: &Table) -> Result<Vec<String>, TrustError> {
    let listed = lookup(manifest, &["workspace", "members"]).and_then(Value::as_array);
    let mut found = BTreeSet::new();
    for folder in listed.into_iter().flatten() {
        let folder = folder.as_str().unwrap_or_default();
        let is_plain = Path::new(folder)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let rooms = [&UNTRUSTED_ROOMS[..], &TRUSTED_ROOMS, &[TOOL_ROOM]].concat();
        if !is_plain || folder.contains(['*', '?', '[']) || !is_in(folder, &rooms) {
            let rooms = rooms.join(", ");
            return Err(refuse(
                ROOT,
                format!("the member {folder:?} is refused: expected a folder in one of {rooms}"),
            ));
        }
        found.insert(folder.trim_end_matches('/').to_owned());
    }
    Ok(found.into_iter().collect())
}

fn is_in(folder: &str, rooms: &[&str]) -> bool {
    rooms.iter().any(|room| Path::new(folder).starts_with(room))
}

/// No two crates have one name, nor one that of a crate of the compiler: generated
/// code names crates by their names.
fn check_names(members: &[Member]) -> Result<(), TrustError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for member in members {
        let name = member.name.replace('-', "_");
        let file = format!("{}/Cargo.toml", member.folder);
        if COMPILER_CRATES.contains(&name.as_str()) {
            let message = format!("the name {name} is refused: it is one of the compiler's crates");
            return Err(refuse(&file, message));
        }
        if let Some(other) = seen.insert(name, &member.folder) {
            // The trusted one is not to blame.
            let (bad, good) = if member.is_untrusted() {
                (member.folder.as_str(), other)
            } else {
                (other, member.folder.as_str())
            };
            let message = format!("the name {} is refused: {good} has it", member.name);
            return Err(refuse(&format!("{bad}/Cargo.toml"), message));
        }
    }
    Ok(())
}

fn check_member(
    file: &str,
    folder: &str,
    manifest: &Table,
    names: &BTreeMap<&str, &str>,
) -> Result<(), TrustError> {
    for key in keys(manifest) {
        if !is_member_key(&key) {
            let key = key.join(".");
            return Err(refuse(
                file,
                format!(
                    "{key} is refused: a package outside of kernel/ and trusted/ has no such key"
                ),
            ));
        }
    }
    let edition = lookup(manifest, &["package", "edition", "workspace"]);
    if edition.and_then(Value::as_bool) != Some(true) {
        return Err(refuse(
            file,
            "the edition is refused: expected edition.workspace = true",
        ));
    }
    check_paths(file, manifest)?;
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    for table in targets.chain([manifest]) {
        for kind in ["dependencies", "dev-dependencies"] {
            let used = table.get(kind).and_then(Value::as_table);
            for (name, value) in used.into_iter().flatten() {
                check_dependency(file, folder, name, value, names)?;
            }
        }
    }
    Ok(())
}

fn is_member_key(key: &[String]) -> bool {
    let is_dependency = |key: &[String]| DEPENDENCIES.iter().any(|pattern| matches(pattern, key));
    let is_inside = key.split_last().is_some_and(|(last, dependency)| {
        DEPENDENCY_KEYS.contains(&last.as_str()) && is_dependency(dependency)
    });
    is_inside || is_dependency(key) || MEMBER_KEYS.iter().any(|pattern| matches(pattern, key))
}

/// Target files lie in the package.
fn check_paths(file: &str, manifest: &Table) -> Result<(), TrustError> {
    let lists = ["bin", "test"]
        .iter()
        .filter_map(|kind| manifest.get(*kind)?.as_array());
    let tables = lists.flatten().filter_map(Value::as_table);
    let library = manifest.get("lib").and_then(Value::as_table);
    for table in tables.chain(library) {
        let path = table
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or("src/lib.rs");
        let is_plain = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || !path.ends_with(".rs") {
            return Err(refuse(
                file,
                format!("the path {path:?} is refused: expected a file of the package"),
            ));
        }
    }
    Ok(())
}

/// A dependency has the name of what it is, and is a member or of the registry.
fn check_dependency(
    file: &str,
    folder: &str,
    name: &str,
    value: &Value,
    names: &BTreeMap<&str, &str>,
) -> Result<(), TrustError> {
    let Some(path) = value.get("path") else {
        let version = value.get("version").or(Some(value));
        if version.is_some_and(Value::is_str) {
            return Ok(());
        }
        return Err(refuse(
            file,
            format!("{name} is refused: expected a path or a version"),
        ));
    };
    let to = resolved(folder, path.as_str().unwrap_or_default());
    match to.as_deref().and_then(|to| names.get(to)) {
        Some(found) if *found == name => Ok(()),
        Some(found) => Err(refuse(
            file,
            format!("{name} is refused: it is called {found}"),
        )),
        None => Err(refuse(
            file,
            format!("{name} is refused: {path} is no member of the workspace"),
        )),
    }
}

/// A path relative to a folder of the tree, relative to the tree; `None` for one
/// that leaves it.
fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Every key of a manifest down to values that are no tables; `name[]` stands for
/// each table of a list.
fn keys(table: &Table) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    collect(table, &[], &mut found);
    found
}

fn collect(table: &Table, outer: &[String], found: &mut Vec<Vec<String>>) {
    for (key, value) in table {
        let at = |name: String| [outer, &[name]].concat();
        match value {
            Value::Table(inner) if !inner.is_empty() => collect(inner, &at(key.clone()), found),
            Value::Array(list) if list.iter().any(Value::is_table) => {
                for each in list {
                    match each {
                        Value::Table(inner) => collect(inner, &at(format!("{key}[]")), found),
                        _ => found.push(at(format!("{key}[]"))),
                    }
                }
            }
            _ => found.push(at(key.clone())),
        }
    }
}

fn matches(pattern: &str, key: &[String]) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let fits = |(pattern, key): (&&str, &String)| *pattern == "*" || *pattern == key;
    match pattern.split_last() {
        Some((&"**", start)) => key.len() > start.len() && start.iter().zip(key).all(fits),
        _ => pattern.len() == key.len() && pattern.iter().zip(key).all(fits),
    }
}

#[cfg(test)]
#[path = "manifests_tests.rs"]
mod tests;
