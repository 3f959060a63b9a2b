//! What safe code can reach in `trusted/`, against the reviewed list of it.
//!
//! Where `unsafe` code relies on something, safe code must not be able to make that
//! something up: by an implementation, a constructor, a field or a conversion. So
//! everything public that needs no `unsafe` is a line of `trusted/SURFACE.txt`, under
//! the reason why it may be; what is new is a finding until somebody has thought about
//! it. `abi`, `mem` and `breach` are left out: no crate of an untrusted room may import
//! them (tool/src/build/layers.rs), but for attacks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Fields, ImplItem, Item, ItemImpl, Type, UseTree, Visibility};

use super::{Finding, Findings};
use crate::error::ToolError;
use crate::tree::Tree;

/// The list.
const LIST: &str = "trusted/SURFACE.txt";

/// The crates that untrusted ones import.
const CRATES: [&str; 4] = ["exchange", "hardware", "macros", "runtime"];

/// Files that are in no image.
const HOST_ONLY: [&str; 3] = ["host", "host.rs", "tests.rs"];

/// Why an item may be public. The list's head says what each means.
const REASONS: [&str; 5] = ["sealed", "owned", "checked", "kernel", "harmless"];

/// Items by file.
type Surface = BTreeMap<String, Vec<String>>;

/// Compares the list with the sources.
///
/// # Errors
/// [`ToolError::File`].
pub fn check(tree: &Tree) -> Result<Findings, ToolError> {
    let mut found = Surface::new();
    for name in CRATES {
        let folder = tree.path(&format!("trusted/{name}/src"));
        for file in files(&folder)? {
            let text = fs::read_to_string(&file).map_err(ToolError::file("read", &file))?;
            let shown = super::shown(&tree.path("trusted"), &file);
            found.insert(shown, items(&text));
        }
    }
    let path = tree.path(LIST);
    let text = fs::read_to_string(&path).map_err(ToolError::file("read", &path))?;
    Ok(compare(&found, &text))
}

/// The sources of a crate that are in images.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ToolError> {
    let failed = |error| ToolError::file("read", folder)(error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if HOST_ONLY.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// What differs between sources and list.
fn compare(found: &Surface, list: &str) -> Findings {
    let mut findings = Findings::new();
    let mut listed = Surface::new();
    let mut file = String::new();
    for (index, line) in list.lines().enumerate() {
        let mut wrong = |message: String| findings.insert(Finding::new(LIST, index + 1, message));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((name, reason)) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("] "))
        {
            name.clone_into(&mut file);
            if !REASONS.contains(&reason) {
                wrong(format!(
                    "expected a reason of {REASONS:?}, found {reason:?}"
                ));
            }
            continue;
        }
        if !found
            .get(&file)
            .is_some_and(|items| items.iter().any(|item| item == line))
        {
            wrong(format!(
                "trusted/{file} has no safe public `{line}` (any more): delete the line"
            ));
        }
        listed
            .entry(file.clone())
            .or_default()
            .push(line.to_owned());
    }
    for (file, items) in found {
        for item in items {
            if !listed.get(file).is_some_and(|listed| listed.contains(item)) {
                findings.insert(Finding::new(
                    &format!("trusted/{file}"),
                    1,
                    format!(
                        "safe code can reach `{item}`: see that no unsafe code relies on it, \
                         then add the line to {LIST}, below a heading [{file}] REASON"
                    ),
                ));
            }
        }
    }
    findings
}

/// Everything public and safe in a file, in order of appearance.
fn items(text: &str) -> Vec<String> {
    let mut surface = Vec::new();
    if let Ok(file) = syn::parse_file(text) {
        file.items.iter().for_each(|item| add(item, &mut surface));
    }
    surface
}

fn add(item: &Item, surface: &mut Vec<String>) {
    match item {
        Item::Fn(item) if is_public(&item.vis) && item.sig.unsafety.is_none() => {
            surface.push(format!("fn {}", item.sig.ident));
        }
        Item::Struct(item) if is_public(&item.vis) => {
            surface.push(format!("struct {}", item.ident));
            add_fields(&item.ident.to_string(), &item.fields, surface);
        }
        Item::Union(item) if is_public(&item.vis) => surface.push(format!("union {}", item.ident)),
        Item::Enum(item) if is_public(&item.vis) => surface.push(format!("enum {}", item.ident)),
        Item::Trait(item) if is_public(&item.vis) && item.unsafety.is_none() => {
            surface.push(format!("trait {}", item.ident));
        }
        Item::Type(item) if is_public(&item.vis) => surface.push(format!("type {}", item.ident)),
        Item::Const(item) if is_public(&item.vis) => surface.push(format!("const {}", item.ident)),
        Item::Static(item) if is_public(&item.vis) => {
            surface.push(format!("static {}", item.ident));
        }
        Item::Macro(item) if is_exported(item) => {
            let name = item.ident.as_ref().map(ToString::to_string);
            surface.push(format!("macro {}", name.unwrap_or_default()));
        }
        Item::Use(item) if is_public(&item.vis) => add_use(&item.tree, "", surface),
        Item::Impl(item) => add_implementation(item, surface),
        Item::Mod(item) => {
            for item in item.content.iter().flat_map(|(_, items)| items) {
                add(item, surface);
            }
        }
        _ => {}
    }
}

fn add_fields(of: &str, fields: &Fields, surface: &mut Vec<String>) {
    for (index, field) in fields.iter().enumerate() {
        if is_public(&field.vis) {
            let name = field.ident.as_ref().map(ToString::to_string);
            let name = name.unwrap_or_else(|| index.to_string());
            surface.push(format!("field {of}.{name}"));
        }
    }
}

/// What an implementation adds: a safe trait, or public methods and constants.
fn add_implementation(item: &ItemImpl, surface: &mut Vec<String>) {
    let of = name(&item.self_ty);
    if let Some((_, path, _)) = &item.trait_ {
        if item.unsafety.is_none() {
            let last = path.segments.last().map(|last| last.ident.to_string());
            surface.push(format!("impl {} for {of}", last.unwrap_or_default()));
        }
        return;
    }
    for item in &item.items {
        match item {
            ImplItem::Fn(item) if is_public(&item.vis) && item.sig.unsafety.is_none() => {
                surface.push(format!("fn {of}::{}", item.sig.ident));
            }
            ImplItem::Const(item) if is_public(&item.vis) => {
                surface.push(format!("const {of}::{}", item.ident));
            }
            _ => {}
        }
    }
}

fn add_use(tree: &UseTree, path: &str, surface: &mut Vec<String>) {
    match tree {
        UseTree::Path(inner) => {
            add_use(&inner.tree, &format!("{path}{}::", inner.ident), surface);
        }
        UseTree::Name(inner) => surface.push(format!("use {path}{}", inner.ident)),
        UseTree::Rename(inner) => {
            surface.push(format!("use {path}{} as {}", inner.ident, inner.rename));
        }
        UseTree::Glob(_) => surface.push(format!("use {path}*")),
        UseTree::Group(inner) => {
            for tree in &inner.items {
                add_use(tree, path, surface);
            }
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_exported(item: &syn::ItemMacro) -> bool {
    let mut attributes = item.attrs.iter();
    attributes.any(|attribute| attribute.path().is_ident("macro_export"))
}

/// The last name of a type's path, or what kind it is.
fn name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.map(|last| last.ident.to_string()).unwrap_or_default()
        }
        Type::Reference(inner) => format!("&{}", name(&inner.elem)),
        Type::Slice(inner) => format!("[{}]", name(&inner.elem)),
        Type::Array(inner) => format!("[{}; _]", name(&inner.elem)),
        Type::Tuple(inner) if inner.elems.is_empty() => "()".to_owned(),
        Type::Tuple(_) => "(…)".to_owned(),
        _ => "_".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_unsafe_is_listed() {
        let source = "
            pub fn a() {} pub unsafe fn b() {} pub(crate) fn c() {} fn d() {}
            pub struct E { pub f: u8, g: u8 } pub struct H(pub u8);
            impl E { pub fn i() {} fn j() {} pub unsafe fn k() {} pub const L: u8 = 0; }
            impl From<u8> for E { fn from(_: u8) -> Self { E { f: 0, g: 0 } } }
            unsafe impl Send for E {} pub trait M {} pub unsafe trait N {}
            pub use other::{O, p::*}; mod inner { pub fn q() {} }
            #[macro_export] macro_rules! r { () => {} } macro_rules! s { () => {} }";
        let expected = [
            "fn a",
            "struct E",
            "field E.f",
            "struct H",
            "field H.0",
            "fn E::i",
            "const E::L",
            "impl From for E",
            "trait M",
            "use other::O",
            "use other::p::*",
            "fn q",
            "macro r",
        ];
        assert_eq!(items(source), expected);
    }

    #[test]
    fn new_and_old_lines_are_findings() {
        let found = Surface::from([("a.rs".to_owned(), vec!["fn a".to_owned()])]);
        let findings = |list: &str| {
            let findings = compare(&found, list).into_iter();
            findings
                .map(|finding| finding.to_string())
                .collect::<Vec<_>>()
        };
        assert!(findings("# head\n[a.rs] sealed\nfn a\n").is_empty());
        let new = findings("");
        assert!(
            new[0].starts_with("trusted/a.rs:1: safe code can reach `fn a`"),
            "{new:?}"
        );
        let old = findings("[a.rs] sealed\nfn a\nfn b\n");
        assert!(
            old[0].starts_with("trusted/SURFACE.txt:3: trusted/a.rs has no"),
            "{old:?}"
        );
        assert_eq!(findings("[b.rs] sealed\nfn a\n").len(), 2);
        let reason = findings("[a.rs] because\nfn a\n");
        assert!(reason[0].contains("found \"because\""), "{reason:?}");
    }
}
